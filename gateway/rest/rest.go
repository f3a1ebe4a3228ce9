// Package rest maps the REST routes onto the generated client of keyvalue.v1.KeyValueService.
//
// Who may call is for [Config.Authenticate] to say, before anything of a request is read, and what they may do for the
// client, before it calls the service. Keys, values and TTLs are judged by the service; this package refuses only what
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
	// Authenticate returns ctx on behalf of the caller who sent r, or why it is not let in. It is asked before every
	// request below /v1, those for routes that do not exist included. Nil: everyone is let in.
	Authenticate func(ctx context.Context, r *http.Request) (context.Context, error)
	// MaxValueBytes is how long a value may be, in bytes. Zero: limit.ValueBytes.
	MaxValueBytes int
	// Timeout is how long the service may take over one request, with all the calls that it needs.
	// Zero: 10 s. It does not count for a watch, nor for the time that a caller prefers to wait for a change.
	Timeout time.Duration
	// Heartbeat is how long a watch may be silent before a comment shows that it is still there. Zero: 15 s.
	Heartbeat time.Duration
	// Stopping is done when the server stops: then watches and waits end. Nil: they end with their callers.
	Stopping context.Context //nolint:containedctx // it outlives every request
	// Limiter bounds what is done at a time: requests that it would refuse are not read, and those for many entries take
	// turns. Nil: everyone is let in.
	Limiter *admission.Limiter
	// Observer is told of every request. Nil: nobody is, and nothing is measured.
	Observer Observer
}

// api is the handler: what the routes share.
type api struct {
	client keyvaluev1connect.KeyValueServiceClient
	letIn  func(context.Context, *http.Request) (context.Context, error)

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
		letIn:     cfg.Authenticate,
		maxValue:  cmp.Or(cfg.MaxValueBytes, contract.DefaultValueBytes),
		timeout:   cmp.Or(cfg.Timeout, 10*time.Second),
		heartbeat: cmp.Or(cfg.Heartbeat, 15*time.Second),
		stopping:  cmp.Or(cfg.Stopping, context.Background()),
		routes:    routeTable(),
		observer:  cfg.Observer,
		limiter:   cfg.Limiter,
	}
	if a.letIn == nil {
		a.letIn = func(ctx context.Context, _ *http.Request) (context.Context, error) { return ctx, nil }
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
	// none. Ctx is what Begin returned.
	End(ctx context.Context, r *http.Request, route string, status int, took time.Duration)
}

// observed answers r before the eyes of the observer.
func (a *api) observed(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	ctx = a.observer.Begin(ctx, r)
	rec := a.recorders.Get().(*recorder)
	*rec = recorder{ResponseWriter: w, status: http.StatusInternalServerError} // what a panic is answered with
	path := ""
	defer func() {
		a.observer.End(ctx, r, path, rec.status, time.Since(start))
		*rec = recorder{}
		a.recorders.Put(rec)
	}()
	if route := a.serve(ctx, rec, r); route != nil {
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
