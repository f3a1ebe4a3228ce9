// Package gateway faces the world: it maps REST routes onto a Connect client of the service, offers the same
// RPCs to Connect, gRPC and gRPC-Web callers, and lets in only who shows an API key. It holds no data, so that
// any number of gateways can stand before one service.
package gateway

import (
	"context"
	"log/slog"
	"net/http"
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
	// callTimeout bounds a unary call whose caller has no shorter deadline.
	callTimeout = 10 * time.Second
	// readyTimeout bounds the question to the service behind /readyz.
	readyTimeout = 2 * time.Second
)

// Config holds what can be set about a gateway.
type Config struct {
	// Keys are the API keys that are let in. It must be set.
	Keys *auth.Keys
	// Origins are the web origins whose pages may call, such as https://example.com, or "*" for all of
	// them. Empty: none but the gateway's own.
	Origins []string
	// MaxValueBytes is the longest value, in bytes. It should be the service's. Zero: 1 MiB.
	MaxValueBytes int
	// State says whether the gateway runs. It must be set.
	State *server.State
	// Log receives failures that are nobody's fault but ours. It must be set.
	Log *slog.Logger
	// Interceptors are around every RPC, the first outermost. None: nobody observes RPCs.
	Interceptors []connect.ServerInterceptor
	// Limiter is that of the client, or of the service if it is in this process: calls that it would refuse are not
	// read, and REST calls for many entries hold their turn until their answer is made. Nil: it is not asked.
	Limiter *admission.Limiter
	// Observer is told of every REST request. Nil: nobody is.
	Observer rest.Observer
}

// Gateway serves REST, Connect, gRPC and gRPC-Web callers.
type Gateway struct {
	// Handler answers every request.
	http.Handler
	// RPC has the procedures alone, for a server that calls them without going through HTTP.
	RPC *connect.Server
}

// New returns a gateway that calls client, which NewClient made.
func New(client keyvaluev1connect.KeyValueServiceClient, cfg Config) *Gateway {
	if cfg.MaxValueBytes == 0 {
		cfg.MaxValueBytes = contract.DefaultValueBytes
	}
	ready := func(ctx context.Context) bool { return cfg.State.Running() && answers(ctx, client) }
	checks := admission.NewChecks(cfg.Keys, cfg.Limiter)
	procedures := rpc.NewServer(forwarder{client, cfg.State.Stopping()}, rpc.Config{
		Checks: checks, Ready: ready, Log: cfg.Log,
		Interceptors: append([]connect.ServerInterceptor{requestid.Answer}, cfg.Interceptors...),
	})

	handler := recovering(cfg.Log, console.New(rest.New(client, rest.Config{
		Checks: checks, MaxValueBytes: cfg.MaxValueBytes, Timeout: callTimeout,
		Stopping: cfg.State.Stopping(), Observer: cfg.Observer, Limiter: cfg.Limiter,
	})))
	handler = server.Probes(cfg.State, ready, handler)
	handler = rpc.Mount(procedures, cfg.MaxValueBytes, handler)
	handler = allowOrigins(cfg.Origins, handler) // for browsers, which cannot speak gRPC
	return &Gateway{Handler: handler, RPC: procedures}
}

// answers asks the service for a sign of life.
func answers(ctx context.Context, client keyvaluev1connect.KeyValueServiceClient) bool {
	ctx, cancel := context.WithTimeout(auth.NewContext(ctx, auth.Internal("readyz")), readyTimeout)
	defer cancel()
	_, err := client.GetStats(ctx, &keyvaluev1.GetStatsRequest{})
	return err == nil
}
