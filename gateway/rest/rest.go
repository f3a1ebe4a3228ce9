// Package rest maps the REST routes onto the generated client of keyvalue.v1.KeyValueService.
//
// [Config.Checks] decide which requests are served, before a body is read, and the client which calls their callers may
// make, before it calls the service. Keys, values and TTLs are judged by the service; this package refuses only what
// it cannot pass on, and what it must not read. Every failure is answered by [WriteError].
package rest

import (
	"cmp"
	"context"
	_ "embed"
	"net/http"
	"sync"
	"time"

	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/admission"
	"key-value/internal/contract"
)

// Config is how the handler is set up. The zero value is ready to use, by everyone.
type Config struct {
	// Checks must admit every request below /v1, including those for routes that do not exist. Nil: all requests are
	// admitted.
	Checks admission.Checks
	// MaxValueBytes is how long a value may be, in bytes. Zero: limit.ValueBytes.
	MaxValueBytes int
	// Timeout is how long the service may take over one request, with all the calls that it needs.
	// Zero: 10 s. It does not count for a watch, nor for the time that a caller prefers to wait for a change.
	Timeout time.Duration
	// Heartbeat is how long a watch may be silent before a comment shows that it is still there. Zero: 15 s.
	Heartbeat time.Duration
	// Stopping is done when the server stops: then watches and waits end. Nil: they end with their callers.
	Stopping context.Context //nolint:containedctx // it outlives every request
	// Limiter bounds how many requests for many entries run at a time. Nil: there is no bound.
	Limiter *admission.Limiter
	// Observer is told of every request. Nil: nobody is, and nothing is measured.
	Observer Observer
}

// api is the handler: what the routes share.
type api struct {
	client keyvaluev1connect.KeyValueServiceClient
	checks admission.Checks

	maxValue  int // the longest value, in bytes
	maxBody   int // the longest JSON body, in bytes
	timeout   time.Duration
	heartbeat time.Duration
	stopping  context.Context //nolint:containedctx // done when the server stops
	routes    []route
	buffers   sync.Pool // of *[]byte, for answers in JSON
	limiter   *admission.Limiter
	observer  Observer  // nil: nobody
	recorders sync.Pool // of *recorder, for the observer
}

// New returns a handler that answers every route of [Routes] from client, and everything else with 404.
func New(client keyvaluev1connect.KeyValueServiceClient, cfg Config) http.Handler {
	a := &api{
		client:    client,
		checks:    cfg.Checks,
		maxValue:  cmp.Or(cfg.MaxValueBytes, contract.DefaultValueBytes),
		timeout:   cmp.Or(cfg.Timeout, 10*time.Second),
		heartbeat: cmp.Or(cfg.Heartbeat, 15*time.Second),
		stopping:  cmp.Or(cfg.Stopping, context.Background()),
		routes:    routeTable(),
		observer:  cfg.Observer,
		limiter:   cfg.Limiter,
	}
	a.maxBody = contract.MaxRequestBytes(a.maxValue)
	a.buffers.New = func() any { return new([]byte) }
	a.recorders.New = func() any { return new(recorder) }
	return a
}

// deadline returns the context for the calls that answer r.
func (a *api) deadline(r request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(r.Context(), a.timeout)
}

// Observer is told of every request that this package answers.
type Observer interface {
	// Begin is called before anything is done about r, and returns the context to do it in, made from ctx.
	Begin(ctx context.Context, r *http.Request) context.Context
	// End is called when r was answered. Route is the path of its route, with {key} for a key, or empty if it has
	// none. Err is the failure that was answered, or nil. Ctx is what Begin returned.
	End(ctx context.Context, r *http.Request, route string, status int, err error, took time.Duration)
}

// observed answers r before the eyes of the observer.
func (a *api) observed(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	ctx = a.observer.Begin(ctx, r)
	rec := a.recorders.Get().(*recorder)
	*rec = recorder{ResponseWriter: w, status: http.StatusInternalServerError} // what a panic is answered with
	path, err := "", error(nil)
	defer func() {
		a.observer.End(ctx, r, path, rec.status, err, time.Since(start))
		*rec = recorder{}
		a.recorders.Put(rec)
	}()
	var route *route
	if route, err = a.serve(ctx, rec, r); route != nil {
		path = route.template
	}
}

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap lets [http.ResponseController] reach the methods that are not here.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// openAPI describes the routes of this package, and the probes beside them, in OpenAPI 3.1. A test holds it to
// what is served.
//
//go:embed openapi.json
var openAPI []byte

// getOpenAPI answers whoever asks, so that tools can read it without a key.
func (a *api) getOpenAPI(w http.ResponseWriter, r request) error {
	setCommonHeaders(w.Header())
	w.Header()["Content-Type"] = jsonType
	writeBody(w, r.Request, http.StatusOK, openAPI)
	return nil
}
