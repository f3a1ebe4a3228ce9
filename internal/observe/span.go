package observe

import (
	"context"
	"net/http"
	"strings"

	"connectrpc.com/connect/v2"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"key-value/internal/observe/requestid"
)

// ServeCalls is a server interceptor that records every call, as part of the trace that its caller began.
func (t *Tracing) ServeCalls(next connect.ServerFunc) connect.ServerFunc {
	return func(ctx context.Context, spec connect.Spec, stream connect.ServerStream) error {
		info, _ := connect.CallInfoForServerContext(ctx)
		ctx = t.propagator.Extract(ctx, header{info.RequestHeader()})
		ctx, span := t.start(ctx, spec, info.Protocol, trace.SpanKindServer)
		if id := requestid.FromContext(ctx); id != "" {
			span.SetAttributes(attribute.String("kv.request_id", id))
		}
		err := next(ctx, spec, stream)
		endCall(span, codeOf(err), ours(codeOf(err)))
		return err
	}
}

// start begins the span of a call.
func (t *Tracing) start(
	ctx context.Context, spec connect.Spec, protocol string, kind trace.SpanKind,
) (context.Context, trace.Span) {
	name := strings.TrimPrefix(procedure(spec), "/")
	return t.tracer.Start(ctx, name, trace.WithSpanKind(kind), trace.WithAttributes(
		attribute.String("rpc.system.name", system(protocol)), attribute.String("rpc.method", name)))
}

// endCall ends the span of a call. Failed says whether the side that recorded it regards it as failed.
func endCall(span trace.Span, code connect.Code, failed bool) {
	span.SetAttributes(attribute.String("rpc.response.status_code", statusCode(code)))
	if failed {
		span.SetAttributes(attribute.String("error.type", statusCode(code)))
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

// ours reports whether a call that ended with code failed because of the server, and not of what was asked for.
func ours(code connect.Code) bool {
	switch code {
	case connect.CodeUnknown, connect.CodeDeadlineExceeded, connect.CodeUnimplemented, connect.CodeInternal,
		connect.CodeUnavailable, connect.CodeDataLoss:
		return true
	}
	return false
}

// startRequest begins the span of a REST request. Its path is not recorded, because it names the key.
func (t *Tracing) startRequest(ctx context.Context, r *http.Request) context.Context {
	ctx = t.propagator.Extract(ctx, propagation.HeaderCarrier(r.Header))
	ctx, _ = t.tracer.Start(ctx, method(r.Method), trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("http.request.method", method(r.Method)), attribute.String("url.scheme", scheme(r)),
		attribute.String("kv.request_id", requestid.FromContext(ctx))))
	return ctx
}

// endRequest ends the span of a REST request, which ctx has.
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

// header lets the propagator read and write the header of an RPC.
type header struct{ *connect.Header }

// Keys implements [propagation.TextMapCarrier]. W3C Trace Context never asks.
func (header) Keys() []string { return nil }
