package client

import (
	"log/slog"
	"slices"

	"connectrpc.com/connect/v2"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"key-value/internal/hop"
	"key-value/internal/observe/calls"
)

// observers are what the options of this file set. The zero value observes nothing and costs nothing.
type observers struct {
	log    *slog.Logger         // nil: no log
	tracer *calls.Tracer        // nil: no traces
	meter  metric.MeterProvider // nil: no metrics
}

// WithLogger logs what a program does not see otherwise, and what fails:
//   - at level warn, calls that failed because of the service or the connection, and watches that were interrupted or ended;
//   - at level info, retries of calls, and watches that resumed;
//   - at level debug, all other calls that failed, such as for a key that does not exist.
//
// Messages can contain keys, but no values and no API key. Without this option, nothing is logged.
func WithLogger(log *slog.Logger) Option {
	return func(o *options) { o.log = log }
}

// WithTracing records a span of each call, in the trace of its context if it has one. The span contains one for each request
// that the call takes, such as for a retry. The trace goes on in the service: requests carry it as W3C Trace Context. A
// watch has a span for each request if its context has a trace. Calls that shared a request have linked spans.
//
// A span has the method and the outcome of a call, no keys and no values. Provider is that of the program, such as
// otel.GetTracerProvider(); package client needs no SDK. Without this option, nothing is recorded.
func WithTracing(provider trace.TracerProvider) Option {
	return func(o *options) { o.tracer = calls.NewTracer(provider, propagation.TraceContext{}) }
}

// WithMetrics records how long each call takes, with its retries, in seconds: the histogram rpc.client.call.duration of
// OpenTelemetry's conventions, by method and outcome. Provider is that of the program, such as otel.GetMeterProvider().
// Without this option, nothing is recorded.
func WithMetrics(provider metric.MeterProvider) Option {
	return func(o *options) { o.meter = provider }
}

// observe adds the observers to the layers of a hop.
func (o observers) observe(cfg *hop.Config) error {
	var layers []hop.Layer // outermost first
	if o.tracer != nil {
		layers = append(layers, o.tracer.Calls)
		cfg.Trace, cfg.Gather = o.tracer.Hop, o.tracer.Gather
	}
	if o.log != nil {
		layers = append(layers, calls.LogFailures(o.log))
		cfg.OnRetry = calls.LogRetry(o.log)
	}
	if o.meter != nil {
		measure, err := calls.Measure(o.meter)
		if err != nil {
			return err
		}
		layers = append(layers, measure)
	}
	if len(layers) > 0 {
		cfg.Calls = func(next connect.Transport) connect.Transport {
			for _, layer := range slices.Backward(layers) {
				next = layer(next)
			}
			return next
		}
	}
	return nil
}
