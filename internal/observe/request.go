package observe

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"key-value/internal/contract"
)

var requestLabels = []string{"http_request_method", "http_route", "http_response_status_code", "url_scheme"}

// request is what the REST requests of one time series have in common.
type request struct {
	method string
	route  string // the path with {key} in place of a key; empty: there is none
	status int
	scheme string
}

func (r request) labels() []string {
	return []string{r.method, r.route, strconv.Itoa(r.status), r.scheme}
}

// scheme returns how a request came.
func scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

// Request measures a REST request that was answered.
func (m *Metrics) Request(r *http.Request, route string, status int, took time.Duration) {
	m.requests.observe(request{method(r.Method), route, status, scheme(r)}, took)
}

// method returns the method of a request, unless the caller made it up.
func method(name string) string {
	switch name {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions, http.MethodConnect, http.MethodTrace:
		return name
	}
	return other
}

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
