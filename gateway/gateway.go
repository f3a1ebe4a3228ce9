// Package gateway serves the store to callers with an API key: as REST, and as the contract's RPCs over Connect, gRPC
// and gRPC-Web. It answers both by calling the service with a generated client. A gateway holds no data, so any number
// of them can run in front of one service.
package gateway

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"connectrpc.com/connect/v2"

	"key-value/gateway/console"
	"key-value/gateway/rest"
	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/admission"
	"key-value/internal/auth"
	"key-value/internal/contract"
	"key-value/internal/observe/requestid"
	"key-value/internal/server"
	"key-value/internal/server/rpc"
)

const (
	// callTimeout is the default of Config.Timeout.
	callTimeout = 10 * time.Second
	// readyTimeout bounds the call to the service that /readyz makes.
	readyTimeout = 2 * time.Second
)

// Config configures a gateway.
type Config struct {
	// Keys are the valid API keys. It must be set.
	Keys *auth.Keys
	// Origins are the web origins whose pages may call, such as https://example.com, or "*" for all. Empty: only the
	// gateway's own.
	Origins []string
	// MaxValueBytes is the largest value, in bytes. It should be that of the service. Zero: 1 MiB.
	MaxValueBytes int
	// Timeout bounds a unary call whose caller has no shorter deadline. Zero: 10 seconds.
	Timeout time.Duration
	// State tells whether the gateway is running. It must be set.
	State *server.State
	// Log receives internal errors and, at level debug, every RPC. It must be set.
	Log *slog.Logger
	// Interceptors wrap every RPC, the first outermost, and see the error that its caller gets.
	Interceptors []connect.ServerInterceptor
	// Limiter is that of the service if it is in this process, and otherwise that of the transport to it. The gateway
	// rejects calls over its bounds before it reads them, and counts a large REST call until its answer is encoded.
	// Nil: there are no bounds.
	Limiter *admission.Limiter
	// Observer observes REST requests. Nil: they are not observed.
	Observer rest.Observer
}

// Gateway serves REST, Connect, gRPC and gRPC-Web.
type Gateway struct {
	// Handler serves every request.
	http.Handler
	// RPC serves the RPCs alone, for a server of gRPC connections that does not use net/http.
	RPC *connect.Server
	// Ready reports whether the gateway should receive traffic: it is not stopping, and its service answers.
	Ready func(context.Context) bool
}

// New returns a gateway that calls client, which NewClient made.
func New(client keyvaluev1connect.KeyValueServiceClient, cfg Config) *Gateway {
	if cfg.MaxValueBytes == 0 {
		cfg.MaxValueBytes = contract.DefaultValueBytes
	}
	timeout := cmp.Or(cfg.Timeout, callTimeout)
	ready := func(ctx context.Context) bool { return cfg.State.Running() && answers(ctx, client) }
	checks := admission.NewChecks(cfg.Keys, cfg.Limiter)
	procedures := rpc.NewServer(forwarder{client, timeout, cfg.State.Stopping()}, rpc.Config{
		Checks: checks, Ready: ready, Log: cfg.Log,
		Interceptors: append([]connect.ServerInterceptor{requestid.Answer}, cfg.Interceptors...),
	})

	handler := recovering(cfg.Log, console.New(rest.New(client, rest.Config{
		Checks: checks, MaxValueBytes: cfg.MaxValueBytes, Timeout: timeout,
		Stopping: cfg.State.Stopping(), Observer: cfg.Observer, Limiter: cfg.Limiter,
	})))
	handler = server.Probes(cfg.State, ready, handler)
	handler = rpc.Mount(procedures, cfg.MaxValueBytes, handler)
	handler = allowOrigins(cfg.Origins, cfg.Log, handler) // browsers cannot use the RPC server directly
	return &Gateway{Handler: handler, RPC: procedures, Ready: ready}
}

// answers reports whether the service answers.
func answers(ctx context.Context, client keyvaluev1connect.KeyValueServiceClient) bool {
	ctx, cancel := context.WithTimeout(auth.NewContext(ctx, auth.Internal("readyz")), readyTimeout)
	defer cancel()
	_, err := client.GetStats(ctx, &keyvaluev1.GetStatsRequest{})
	return err == nil
}

// recovering answers 500 if a handler panics, and logs the panic. RPCs have an interceptor for it.
func recovering(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch p := recover(); p {
			case nil:
			case http.ErrAbortHandler:
				panic(p)
			default:
				log.ErrorContext(r.Context(), "request failed", "request", w.Header().Get(requestid.Header), "method", r.Method, "panic", p, "stack", string(debug.Stack()))
				rest.WriteError(w, r, connect.NewError(connect.CodeInternal, "internal error"))
			}
		}()
		next.ServeHTTP(w, r)
	})
}
