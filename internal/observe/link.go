package observe

import (
	"context"

	"connectrpc.com/connect/v2"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Hop returns a transport that carries the requests of a gateway over next, records them, and passes the trace on
// to the service. It belongs below the transport that gathers calls.
func (t *Tracing) Hop(next connect.Transport) connect.Transport { return tracedHop{t, next} }

type tracedHop struct {
	tracing *Tracing
	next    connect.Transport
}

func (h tracedHop) NewClientStream(ctx context.Context, spec connect.Spec) (connect.ClientStream, error) {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return h.next.NewClientStream(ctx, spec) // such as the question behind /readyz
	}
	info, ok := connect.CallInfoForClientContext(ctx)
	if !ok {
		ctx, info = connect.NewClientContext(ctx)
	}
	ctx, span := h.tracing.start(ctx, spec, connect.ProtocolNameConnect, trace.SpanKindClient)
	h.tracing.propagator.Inject(ctx, header{info.RequestHeader()})
	end := func(err error) { endCall(span, codeOf(err), err != nil) }
	return begin(ctx, h.next, spec, func(any) {}, end)
}

// Gather begins the span of calls that are made together. It is part of the first one's trace, and linked with all the
// others, in both directions. Calls that nobody records leave nothing behind.
func (t *Tracing) Gather(ctx context.Context, calls []context.Context) (context.Context, func(error)) {
	var recorded []trace.Span
	var links []trace.Link
	for _, call := range calls {
		if span := trace.SpanFromContext(call); span.IsRecording() {
			recorded = append(recorded, span)
			links = append(links, trace.Link{SpanContext: span.SpanContext()})
		}
	}
	if len(recorded) == 0 {
		return ctx, func(error) {}
	}
	ctx, batch := t.tracer.Start(trace.ContextWithSpan(ctx, recorded[0]), "gather", trace.WithLinks(links[1:]...),
		trace.WithAttributes(attribute.Int("kv.batch.operations", len(calls))))
	for _, span := range recorded {
		span.AddLink(trace.Link{SpanContext: batch.SpanContext()})
	}
	return ctx, func(err error) {
		if err != nil {
			batch.SetStatus(codes.Error, "")
		}
		batch.End()
	}
}
