package calls

import (
	"context"
	"errors"
	"testing"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// recorded returns a tracer and a recorder of its spans.
func recorded() (*Tracer, *tracetest.SpanRecorder) {
	spans := tracetest.NewSpanRecorder()
	return NewTracer(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)), propagation.TraceContext{}), spans
}

func TestBatchIsLinkedWithItsCalls(t *testing.T) {
	tracing, spans := recorded()
	calls := make([]context.Context, 3)
	callers := make([]trace.Span, 3)
	for i := range calls {
		calls[i], callers[i] = tracing.Spans.Start(t.Context(), "call")
	}
	ctx, ended := tracing.Gather(t.Context(), append(calls, t.Context()))
	batch := trace.SpanContextFromContext(ctx)
	ended(errors.New("broken"))
	for _, caller := range callers {
		caller.End()
	}
	got := spans.Ended()[0]
	if got.SpanContext().SpanID() != batch.SpanID() || got.Parent().SpanID() != callers[0].SpanContext().SpanID() {
		t.Errorf("the batch is %v with parent %v, want the first call as its parent", got.SpanContext(), got.Parent())
	}
	if got.Status().Code != codes.Error {
		t.Errorf("a failed batch has status %v, want Error", got.Status())
	}
	if links := got.Links(); len(links) != 2 || links[0].SpanContext.SpanID() != callers[1].SpanContext().SpanID() ||
		links[1].SpanContext.SpanID() != callers[2].SpanContext().SpanID() {
		t.Errorf("the batch is linked with %v, want the other two calls", links)
	}
	for _, call := range spans.Ended()[1:] {
		if links := call.Links(); len(links) != 1 || links[0].SpanContext.SpanID() != batch.SpanID() {
			t.Errorf("a call is linked with %v, want only the batch", links)
		}
	}
}

func TestUnrecordedBatchHasNoSpan(t *testing.T) {
	tracing, spans := recorded()
	ctx, ended := tracing.Gather(t.Context(), []context.Context{t.Context(), t.Context()})
	ended(nil)
	if len(spans.Ended()) != 0 || trace.SpanContextFromContext(ctx).IsValid() {
		t.Errorf("spans are %v and the context %v, want none", spans.Ended(), ctx)
	}
}
