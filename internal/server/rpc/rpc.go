// Package rpc builds the RPC servers of both services: the interceptors that every call passes through,
// whatever wire it came by, and gRPC's own services for health and reflection.
package rpc

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"
	"connectrpc.com/connect/v2/connectproto"
	"connectrpc.com/grpcreflect/v2"

	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/admission"
	"key-value/internal/contract"
	"key-value/internal/server/grpclane"
)

// Config says how to serve.
type Config struct {
	// Checks are made for every call except those of public procedures. Nil: all calls are admitted.
	Checks admission.Checks
	// Ready says whether the service can do its work now, for gRPC health checks. It must be set.
	Ready func(ctx context.Context) bool
	// Log receives failures that are nobody's fault but ours. It must be set.
	Log *slog.Logger
	// Interceptors are around all others, the first outermost. They see the errors that callers get.
	Interceptors []connect.ServerInterceptor
}

// NewServer returns a server of handler that also serves grpc.health.v1 and both versions of gRPC
// reflection. Health needs no key; everything else does.
func NewServer(handler keyvaluev1connect.KeyValueServiceHandler, cfg Config) *connect.Server {
	interceptors := append(slices.Clip(cfg.Interceptors), finish(cfg.Log))
	server := connect.NewServer(append(interceptors, admit(cfg.Checks), explain, cacheable)...)
	keyvaluev1connect.RegisterKeyValueServiceHandler(server, handler)
	server.Register(healthMethods(cfg.Ready)...)
	grpcreflect.Register(server)
	server.SetUnknownHandler(unknown)
	return server
}

// admit is a server interceptor that makes the checks before the message is read.
func admit(checks admission.Checks) connect.ServerInterceptor {
	return func(next connect.ServerFunc) connect.ServerFunc {
		if len(checks) == 0 {
			return next
		}
		return func(ctx context.Context, spec connect.Spec, stream connect.ServerStream) error {
			if Public(spec.Procedure) {
				return next(ctx, spec, stream)
			}
			info, _ := connect.CallInfoForServerContext(ctx)
			ctx, err := checks.Admit(ctx, admission.Request{
				Procedure: spec.Procedure, Header: info.RequestHeader(), Peer: info.PeerAddr,
			})
			if err != nil {
				return err
			}
			return next(ctx, spec, stream)
		}
	}
}

// unknown answers calls of methods that do not exist, behind the interceptors like any other.
func unknown(_ context.Context, spec connect.Spec, _ connect.ServerStream) error {
	return connect.Errorf(connect.CodeUnimplemented, "there is no %s", spec.Procedure)
}

// Public reports whether anyone may call procedure. Only health is public.
func Public(procedure string) bool { return strings.HasPrefix(procedure, "/"+healthService+"/") }

// Mount returns a handler that serves procedures over Connect, gRPC and gRPC-Web, where a stored value may have
// valueBytes. Anything that is not an RPC goes to next.
func Mount(procedures *connect.Server, valueBytes int, next http.Handler) http.Handler {
	mux := http.NewServeMux()
	connecthttp.Mount(mux, procedures,
		connecthttp.WithReadMaxBytes(contract.MaxRequestBytes(valueBytes)),
		connecthttp.WithCodecs(connectproto.NewBinaryCodec(), grpclane.StrictJSON()),
		// A compressed request could cost far more than it weighs; answers are small or do not compress.
		connecthttp.WithCompressors(),
	)
	services := map[string]bool{}
	for spec := range procedures.Specs() {
		services[serviceOf(spec.Procedure)] = true
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if services[serviceOf(r.URL.Path)] {
			mux.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// serviceOf returns "/package.Service" of "/package.Service/Method", and "" of anything else.
func serviceOf(path string) string {
	i := strings.LastIndexByte(path, '/')
	if i <= 0 || strings.IndexByte(path[1:i], '/') >= 0 {
		return ""
	}
	return path[:i]
}
