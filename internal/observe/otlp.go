package observe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
)

// FlushTimeout limits how long sending the last traces and metrics may take when a process stops.
const FlushTimeout = 5 * time.Second

// OTLP is what the OpenTelemetry environment variables ask to export with the OpenTelemetry protocol. Create it with NewOTLP.
type OTLP struct {
	env   environment
	about *resource.Resource
	log   *slog.Logger
}

// Process is what exported traces and metrics say about the process that they come from. Variables override it.
type Process struct {
	Service  string // its name
	Version  string
	Instance string // distinguishes the processes of a service, and should be the same after a restart
}

// NewOTLP checks the variables and returns what they ask for. A signal, traces or metrics, is exported if
// OTEL_EXPORTER_OTLP_ENDPOINT or the variable for that signal is set, or if OTEL_TRACES_EXPORTER or OTEL_METRICS_EXPORTER names
// otlp, unless that is none or OTEL_SDK_DISABLED is true. What cannot be sent is reported to log.
func NewOTLP(ctx context.Context, process Process, getenv func(string) string, log *slog.Logger) (*OTLP, error) {
	o := &OTLP{env: getenv, log: log}
	var wanted []signal
	for _, s := range []signal{traces, metrics} {
		if o.env.wants(s) {
			wanted = append(wanted, s)
		}
	}
	if wanted == nil {
		return o, nil
	}
	if err := o.env.check(wanted...); err != nil {
		return nil, err
	}
	var err error
	o.about, err = resource.New(ctx, resource.WithAttributes(
		attribute.String("service.name", process.Service), attribute.String("service.version", process.Version),
		attribute.String("service.instance.id", process.Instance),
	), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	return o, nil
}

// Endpoints returns the URLs that are exported to, those of traces and metrics.
func (o *OTLP) Endpoints() []string {
	var all []string
	for _, s := range []signal{traces, metrics} {
		if o.env.wants(s) {
			all = append(all, o.env.endpoint(s))
		}
	}
	return all
}

// handleErrors makes log the place to which the SDK reports errors, which is one for the whole process.
func (o *OTLP) handleErrors() {
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		if failed := (*exportError)(nil); errors.As(err, &failed) {
			failed.of.report(failed.error)
			return
		}
		o.log.Warn("OpenTelemetry reports an error", "error", err)
	}))
}

// reportInterval is how often failures of an exporter are logged. It may fail every second.
const reportInterval = time.Minute

// failures logs when exports fail: the first failure at once, those that follow now and then.
type failures struct {
	log  *slog.Logger
	what string // "traces" or "metrics"

	mu       sync.Mutex
	failing  bool      // whether the latest export failed; guarded by mu
	reported time.Time // when a failure was last logged; guarded by mu
	silent   int       // failures since then; guarded by mu
}

// exportError is the error of an exporter.
type exportError struct {
	error
	of *failures
}

// Unwrap returns the error itself.
func (e *exportError) Unwrap() error { return e.error }

// note notes the result of an export, and returns an error that handleErrors recognizes.
func (f *failures) note(err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.failing = true
		return &exportError{err, f}
	}
	if f.failing {
		f.failing = false
		f.log.Info(f.what + " are sent again")
	}
	return nil
}

// report logs err, unless a failure was logged lately.
func (f *failures) report(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.reported.IsZero() && time.Since(f.reported) < reportInterval {
		f.silent++
		return
	}
	f.log.Warn(f.what+" are not sent", "error", err, "failures", f.silent+1)
	f.reported, f.silent = time.Now(), 0
}
