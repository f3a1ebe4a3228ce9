// Package rest serves the REST routes by calling the generated client of keyvalue.v1.KeyValueService.
//
// [Config.Checks] admit requests before their body is read; the client authorizes each call before it reaches the
// service. The service validates keys, values and TTLs. This package rejects only what it cannot translate into a call
// and bodies that exceed its bounds. [WriteError] writes every error response.
package rest

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"net/http"
	"sync"
	"time"

	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/admission"
	"key-value/internal/callctx"
	"key-value/internal/contract"
)

// Config configures the handler. The zero value serves every caller.
type Config struct {
	// Checks must admit every request below /v1, including those for routes that do not exist. Nil: all requests are
	// admitted.
	Checks admission.Checks
	// MaxValueBytes bounds a value, in bytes. Zero: contract.DefaultValueBytes.
	MaxValueBytes int
	// Timeout bounds all calls of the service that one request needs. Zero: 10 s. It does not apply to watches, nor
	// to the time that a caller waits for a change with Prefer: wait.
	Timeout time.Duration
	// Heartbeat is how long a watch may be idle before a comment is sent to keep it alive. The service sends an event more
	// often than that, unless it is stuck. Zero: 20 s.
	Heartbeat time.Duration
	// Stopping ends watches and waits when it is done. Nil: only their callers end them.
	Stopping context.Context // outlives every request
	// Limiter bounds how many requests for many entries run at a time. Nil: no bound.
	Limiter *admission.Limiter
	// Observer observes every request. Nil: requests are not measured.
	Observer Observer
}

// api is the handler. Its methods serve the routes.
type api struct {
	client keyvaluev1connect.KeyValueServiceClient
	checks admission.Checks

	maxValue  int // the longest value, in bytes
	maxBody   int // the longest JSON body, in bytes
	timeout   time.Duration
	heartbeat time.Duration
	stopping  context.Context // done when the server stops
	routes    []route
	bodies    sync.Pool // of *bytes.Buffer, for requests in JSON
	buffers   sync.Pool // of *[]byte, for responses in JSON
	limiter   *admission.Limiter
	observer  Observer // may be nil
}

// New returns a handler that serves every route of [Routes] by calling client. Any other path is 404.
func New(client keyvaluev1connect.KeyValueServiceClient, cfg Config) http.Handler {
	a := &api{
		client:    client,
		checks:    cfg.Checks,
		maxValue:  cmp.Or(cfg.MaxValueBytes, contract.DefaultValueBytes),
		timeout:   cmp.Or(cfg.Timeout, 10*time.Second),
		heartbeat: cmp.Or(cfg.Heartbeat, 20*time.Second),
		stopping:  cmp.Or(cfg.Stopping, context.Background()),
		routes:    routeTable(),
		observer:  cfg.Observer,
		limiter:   cfg.Limiter,
	}
	a.maxBody = contract.MaxRequestBytes(a.maxValue)
	a.bodies.New = func() any { return new(bytes.Buffer) }
	a.buffers.New = func() any { return new([]byte) }
	return a
}

// withTimeout returns the context for the calls of the service that r needs.
func (a *api) withTimeout(r request) *callctx.Context {
	return callctx.WithTimeout(r.Context(), a.timeout)
}

// Observer observes the requests that this package serves.
type Observer interface {
	// Begin is called before r is served. It returns the context to serve r with, derived from ctx.
	Begin(ctx context.Context, r *http.Request) context.Context
	// End is called after the response was written, with the context that Begin returned. Route is the path of the
	// route, with {key} in place of the key, or empty if no route matches. Err is the error that the response reports,
	// or nil.
	End(ctx context.Context, r *http.Request, route string, status int, err error, took time.Duration)
}

// serveObserved serves r and reports it to the observer.
func (a *api) serveObserved(s *serving, w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	ctx := a.observer.Begin(&s.id, r)
	s.recorder = recorder{ResponseWriter: w, status: http.StatusInternalServerError} // the response if serve panics
	path, err := "", error(nil)
	defer func() { a.observer.End(ctx, r, path, s.recorder.status, err, time.Since(start)) }()
	var route *route
	if route, err = a.serve(ctx, s, &s.recorder, r); route != nil {
		path = route.template
	}
}

// recorder records the status of a response.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap lets [http.ResponseController] find the methods that recorder lacks.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// openAPI describes the routes of this package and the probes, in OpenAPI 3.1. Tests compare it with what is served.
//
//go:embed openapi.json
var openAPI []byte

// getOpenAPI serves the OpenAPI document. It is public so that tools can read it without an API key.
func (a *api) getOpenAPI(w http.ResponseWriter, r request) error {
	setCommonHeaders(w.Header())
	w.Header()["Content-Type"] = jsonType
	writeBody(w, r.Request, http.StatusOK, openAPI)
	return nil
}
