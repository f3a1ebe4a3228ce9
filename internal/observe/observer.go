package observe

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"key-value/internal/contract"
)

// Observer watches REST requests: it logs each of them at level debug, measures and records them.
type Observer struct {
	Log     *slog.Logger // must be set
	Metrics *Metrics     // nil: nothing is measured
	Tracing *Tracing     // nil: nothing is recorded
}

// Idle reports whether there is nothing to do for the observer.
func (o Observer) Idle() bool {
	return o.Metrics == nil && o.Tracing == nil && !o.Log.Enabled(context.Background(), slog.LevelDebug)
}

// Begin is called before a request is answered.
func (o Observer) Begin(ctx context.Context, r *http.Request) context.Context {
	if o.Tracing != nil {
		return o.Tracing.startRequest(ctx, r)
	}
	return ctx
}

// End is called when a request was answered. The path is not logged, because it names the key.
func (o Observer) End(ctx context.Context, r *http.Request, route string, status int, err error, took time.Duration) {
	if o.Metrics != nil {
		o.Metrics.Request(r, route, status, took)
	}
	if o.Tracing != nil {
		endRequest(ctx, r, route, status)
	}
	if o.Log.Enabled(ctx, slog.LevelDebug) {
		o.Log.DebugContext(ctx, "request", "method", r.Method, "route", route, "peer", r.RemoteAddr, "status", status,
			"reason", string(contract.ReasonOf(err)), "took", took)
	}
}
