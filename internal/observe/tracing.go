package observe

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"connectrpc.com/connect/v2"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"key-value/internal/observe/calls"
	"key-value/internal/observe/requestid"
)

// flushTimeout limits how long sending the last spans may take when a process stops.
const flushTimeout = 5 * time.Second

// Tracing records calls as spans and exports them with OTLP. Create it with NewTracing.
type Tracing struct {
	*calls.Tracer

	provider *sdktrace.TracerProvider
}

// NewTracing returns tracing as configured by the OpenTelemetry environment variables. It returns nil if neither
// OTEL_EXPORTER_OTLP_ENDPOINT nor OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set, or if tracing is disabled. Service is
// the name of the service unless OTEL_SERVICE_NAME is set. Traces that cannot be sent are reported to log.
func NewTracing(
	ctx context.Context, service, version string, getenv func(string) string, log *slog.Logger,
) (*Tracing, error) {
	env := environment(getenv)
	if !env.traces() {
		return nil, nil
	}
	if err := env.check(); err != nil {
		return nil, err
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("create trace exporter: %w", err)
	}
	about, err := resource.New(ctx, resource.WithAttributes(
		attribute.String("service.name", service), attribute.String("service.version", version),
	), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("traces are not sent", "error", err) }))
	return newTracing(env.propagator(), sdktrace.WithBatcher(exporter), sdktrace.WithResource(about)), nil
}

func newTracing(propagator propagation.TextMapPropagator, options ...sdktrace.TracerProviderOption) *Tracing {
	provider := sdktrace.NewTracerProvider(options...)
	return &Tracing{calls.NewTracer(provider, propagator), provider}
}

// Close sends the spans that have not been sent yet.
func (t *Tracing) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	return t.provider.Shutdown(ctx)
}

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
