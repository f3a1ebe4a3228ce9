package calls

import (
	"context"
	"log/slog"
	"path"
	"time"

	"connectrpc.com/connect/v2"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"key-value/internal/contract"
)

// Layer wraps a transport.
type Layer = func(next connect.Transport) connect.Transport

// Calls is a layer that records each unary call of a program as a span, which contains those of the requests that it takes.
// A stream has only the span of its request.
func (t *Tracer) Calls(next connect.Transport) connect.Transport {
	return unary(next, func(ctx context.Context, spec connect.Spec) (context.Context, func(error)) {
		ctx, span := t.Start(ctx, spec, connect.ProtocolNameConnect, trace.SpanKindClient)
		return ctx, func(err error) { End(span, CodeOf(err), err != nil) }
	})
}

// buckets are the bounds of durations, in seconds. Those that the conventions recommend begin at 5 ms, which is longer than
// almost every call takes.
var buckets = []float64{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

// Measure returns a layer that records how long each unary call takes, as rpc.client.call.duration.
func Measure(provider metric.MeterProvider) (Layer, error) {
	durations, err := provider.Meter(scope).Float64Histogram("rpc.client.call.duration", metric.WithUnit("s"),
		metric.WithDescription("Duration of calls, with their retries"), metric.WithExplicitBucketBoundaries(buckets...))
	if err != nil {
		return nil, err
	}
	return func(next connect.Transport) connect.Transport {
		return unary(next, func(ctx context.Context, spec connect.Spec) (context.Context, func(error)) {
			start := time.Now()
			return ctx, func(err error) {
				durations.Record(ctx, time.Since(start).Seconds(), metric.WithAttributes(
					attribute.String("rpc.system.name", System(connect.ProtocolNameConnect)),
					attribute.String("rpc.method", method(spec)),
					attribute.String("rpc.response.status_code", StatusCode(CodeOf(err)))))
			}
		})
	}, nil
}

// LogFailures returns a layer that logs unary calls that fail: at level warn if the service, or what leads to it, is the
// cause, and otherwise at level debug, such as for a key that does not exist.
func LogFailures(log *slog.Logger) Layer {
	return func(next connect.Transport) connect.Transport {
		return unary(next, func(ctx context.Context, spec connect.Spec) (context.Context, func(error)) {
			start := time.Now()
			return ctx, func(err error) {
				if err != nil {
					log.Log(ctx, levelOf(err), "call failed", "method", path.Base(spec.Procedure), "code", StatusCode(CodeOf(err)),
						"reason", string(contract.ReasonOf(err)), "error", err, "took", time.Since(start))
				}
			}
		})
	}
}

// LogRetry returns a function that logs that a call will be sent again.
func LogRetry(log *slog.Logger) func(ctx context.Context, spec connect.Spec, wait time.Duration, err error) {
	return func(ctx context.Context, spec connect.Spec, wait time.Duration, err error) {
		log.InfoContext(ctx, "call is retried", "method", path.Base(spec.Procedure), "reason", string(contract.ReasonOf(err)),
			"error", err, "wait", wait)
	}
}

// levelOf returns the level of a message about a call that failed with err.
func levelOf(err error) slog.Level {
	switch code := CodeOf(err); {
	case code == connect.CodeResourceExhausted, IsServerFault(code):
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

// unary returns a transport over next that calls begin for each unary call, and what it returns when the call has ended.
func unary(
	next connect.Transport, begin func(context.Context, connect.Spec) (context.Context, func(error)),
) connect.Transport {
	return transport(func(ctx context.Context, spec connect.Spec) (connect.ClientStream, error) {
		if spec.StreamType != connect.StreamTypeUnary {
			return next.NewClientStream(ctx, spec)
		}
		ctx, end := begin(ctx, spec)
		return Open(ctx, next, spec, nil, end)
	})
}

// transport is a function as a transport.
type transport connect.ClientFunc

// NewClientStream implements [connect.Transport].
func (f transport) NewClientStream(ctx context.Context, spec connect.Spec) (connect.ClientStream, error) {
	return f(ctx, spec)
}
