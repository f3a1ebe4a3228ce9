package calls

import (
	"context"

	"connectrpc.com/connect/v2"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// scope is the name of this instrumentation.
const scope = "key-value"

// Tracer records calls as spans. Make it with [NewTracer].
type Tracer struct {
	Spans      trace.Tracer
	Propagator propagation.TextMapPropagator
}

// NewTracer returns a Tracer whose spans provider records.
func NewTracer(provider trace.TracerProvider, propagator propagation.TextMapPropagator) *Tracer {
	return &Tracer{provider.Tracer(scope), propagator}
}

// Start starts the span of a call.
func (t *Tracer) Start(
	ctx context.Context, spec connect.Spec, protocol string, kind trace.SpanKind,
) (context.Context, trace.Span) {
	name := method(spec)
	return t.Spans.Start(ctx, name, trace.WithSpanKind(kind), trace.WithAttributes(
		attribute.String("rpc.system.name", System(protocol)), attribute.String("rpc.method", name)))
}

// End ends the span of a call. Failed says whether it counts as an error on the side that recorded it.
func End(span trace.Span, code connect.Code, failed bool) {
	span.SetAttributes(attribute.String("rpc.response.status_code", StatusCode(code)))
	if failed {
		span.SetAttributes(attribute.String("error.type", StatusCode(code)))
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

// Header adapts the header of an RPC for a propagator.
type Header struct{ *connect.Header }

// Keys implements [propagation.TextMapCarrier]. W3C Trace Context never calls it.
func (Header) Keys() []string { return nil }

// Gather starts the span of a batch of calls. The span is part of the first call's trace, and is linked with the
// other calls in both directions. If none of the calls is recorded, there is no span.
func (t *Tracer) Gather(ctx context.Context, calls []context.Context) (context.Context, func(error)) {
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
	ctx, batch := t.Spans.Start(trace.ContextWithSpan(ctx, recorded[0]), "gather", trace.WithLinks(links[1:]...),
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

// Hop returns a transport over next that traces the requests to a service that are part of a trace, and sends the
// trace context along. It belongs below the transport that batches calls.
func (t *Tracer) Hop(next connect.Transport) connect.Transport { return tracedHop{t, next} }

type tracedHop struct {
	tracer *Tracer
	next   connect.Transport
}

func (h tracedHop) NewClientStream(ctx context.Context, spec connect.Spec) (connect.ClientStream, error) {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return h.next.NewClientStream(ctx, spec) // for example the health check behind /readyz
	}
	info, ok := connect.CallInfoForClientContext(ctx)
	if !ok {
		ctx, info = connect.NewClientContext(ctx)
	}
	ctx, span := h.tracer.Start(ctx, spec, connect.ProtocolNameConnect, trace.SpanKindClient)
	h.tracer.Propagator.Inject(ctx, Header{info.RequestHeader()})
	end := func(err error) { End(span, CodeOf(err), err != nil) }
	return Open(ctx, h.next, spec, nil, end)
}
