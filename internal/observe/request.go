package observe

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"key-value/internal/contract"
	"key-value/internal/observe/calls"
)

var requestLabels = []string{"http_request_method", "http_route", "http_response_status_code", "url_scheme"}

// request has the labels of a REST request, which identify a time series.
type request struct {
	method string
	route  string // the path with {key} in place of the key; empty: unknown
	status int
	scheme string
}

func (r request) labels() []string {
	return []string{r.method, r.route, strconv.Itoa(r.status), r.scheme}
}

// scheme returns the URL scheme of a request.
func scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

// Request measures a REST request.
func (m *Metrics) Request(r *http.Request, route string, status int, took time.Duration) {
	m.requests.observe(request{method(r.Method), route, status, scheme(r)}, took)
}

// method returns the name of a method, or calls.Other if it is not a standard one.
func method(name string) string {
	switch name {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions, http.MethodConnect, http.MethodTrace:
		return name
	}
	return calls.Other
}

// Observer logs REST requests at level debug, measures them and traces them.
type Observer struct {
	Log     *slog.Logger // required
	Metrics *Metrics     // nil: no metrics
	Tracing *Tracing     // nil: no traces
}

// Idle reports whether the observer has nothing to do.
func (o Observer) Idle() bool {
	return o.Metrics == nil && o.Tracing == nil && !o.Log.Enabled(context.Background(), slog.LevelDebug)
}

// Begin is called before a request is handled.
func (o Observer) Begin(ctx context.Context, r *http.Request) context.Context {
	if o.Tracing != nil {
		return o.Tracing.startRequest(ctx, r)
	}
	return ctx
}

// End is called after a request was handled. It does not log the path, because that contains the key.
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
