package observe

import (
	"context"
	"fmt"
	"net/http"

	"connectrpc.com/connect/v2"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"key-value/internal/observe/calls"
	"key-value/internal/observe/requestid"
)

// Tracing records calls as spans and exports them with OTLP. [OTLP.Tracing] creates it.
type Tracing struct {
	*calls.Tracer

	provider *sdktrace.TracerProvider
}

// Tracing starts to export traces. It returns nil if the environment does not ask for them.
func (o *OTLP) Tracing(ctx context.Context) (*Tracing, error) {
	if !o.env.wants(traces) {
		return nil, nil
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(o.env.endpoint(traces)))
	if err != nil {
		return nil, fmt.Errorf("create trace exporter: %w", err)
	}
	o.handleErrors()
	return newTracing(o.env.propagator(), sdktrace.WithBatcher(spanExporter{exporter, &failures{log: o.log, what: "traces"}}),
		sdktrace.WithResource(o.about)), nil
}

func newTracing(propagator propagation.TextMapPropagator, options ...sdktrace.TracerProviderOption) *Tracing {
	provider := sdktrace.NewTracerProvider(options...)
	return &Tracing{calls.NewTracer(provider, propagator), provider}
}

// spanExporter notes which exports fail.
type spanExporter struct {
	sdktrace.SpanExporter
	failures *failures
}

// ExportSpans implements [sdktrace.SpanExporter].
func (e spanExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	return e.failures.note(e.SpanExporter.ExportSpans(ctx, spans))
}

// Close sends the spans that have not been sent yet, until ctx is done.
func (t *Tracing) Close(ctx context.Context) error { return t.provider.Shutdown(ctx) }

// ServeCalls is a server interceptor that records every call, as part of the caller's trace.
func (t *Tracing) ServeCalls(next connect.ServerFunc) connect.ServerFunc {
	return func(ctx context.Context, spec connect.Spec, stream connect.ServerStream) error {
		info, _ := connect.CallInfoForServerContext(ctx)
		ctx = t.Propagator.Extract(ctx, calls.Header{Header: info.RequestHeader()})
		ctx, span := t.Start(ctx, spec, info.Protocol, trace.SpanKindServer)
		if id := requestid.FromContext(ctx); id != "" {
			span.SetAttributes(attribute.String("kv.request_id", id))
		}
		err := next(ctx, spec, stream)
		calls.End(span, calls.CodeOf(err), calls.IsServerFault(calls.CodeOf(err)))
		return err
	}
}

// startRequest starts the span of a REST request. It does not record the path, because that contains the key.
func (t *Tracing) startRequest(ctx context.Context, r *http.Request) context.Context {
	ctx = t.Propagator.Extract(ctx, propagation.HeaderCarrier(r.Header))
	ctx, _ = t.Spans.Start(ctx, method(r.Method), trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("http.request.method", method(r.Method)), attribute.String("url.scheme", scheme(r)),
		attribute.String("kv.request_id", requestid.FromContext(ctx))))
	return ctx
}

// endRequest ends the span of a REST request, which is in ctx.
func endRequest(ctx context.Context, r *http.Request, route string, status int) {
	span := trace.SpanFromContext(ctx)
	span.SetAttributes(attribute.Int("http.response.status_code", status))
	if route != "" {
		span.SetName(method(r.Method) + " " + route)
		span.SetAttributes(attribute.String("http.route", route))
	}
	if status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, "")
	}
	span.End()
}
