// Package rpc builds the RPC servers of gateway and kvservice: the interceptors that every call passes through, whatever
// protocol it came by, gRPC's own services for health and reflection, and the ways to reach the procedures.
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
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/admission"
	"key-value/internal/contract"
	"key-value/internal/server/grpclane"
)

// Config configures an RPC server.
type Config struct {
	// Checks are made for every call except those of public procedures. Zero: all calls are admitted.
	Checks admission.Checks
	// Ready reports whether the service can serve now, for gRPC health checks. It must be set.
	Ready func(ctx context.Context) bool
	// Log receives internal errors and, at level debug, every call. It must be set.
	Log *slog.Logger
	// Interceptors run around all others, the first outermost. They see the errors that callers get.
	Interceptors []connect.ServerInterceptor
}

// NewServer returns a server of handler that also serves grpc.health.v1 and both versions of gRPC reflection. Its
// interceptors are, from the outside in: those of cfg, finish, unbuffered, admit, explain, cacheable.
func NewServer(handler keyvaluev1connect.KeyValueServiceHandler, cfg Config) *connect.Server {
	interceptors := append(slices.Clip(cfg.Interceptors), finish(cfg.Log), unbuffered, admit(cfg.Checks), explain(cfg.Checks), cacheable)
	server := connect.NewServer(interceptors...)
	keyvaluev1connect.RegisterKeyValueServiceHandler(server, handler)
	server.Register(healthMethods(cfg.Ready)...)
	grpcreflect.Register(server)
	server.SetUnknownHandler(unknown)
	return server
}

// unknown answers calls of methods that do not exist. They pass through the interceptors too.
func unknown(_ context.Context, spec connect.Spec, _ connect.ServerStream) error {
	return contract.Unimplemented.Errorf("unknown procedure %s", spec.Procedure)
}

const healthService = "grpc.health.v1.Health"

// Public reports whether procedure needs no API key. Only health checks do not.
func Public(procedure string) bool { return strings.HasPrefix(procedure, "/"+healthService+"/") }

// healthMethods returns gRPC's health service, so that every protocol has it, not only gRPC. It knows the service by
// name, and the server as a whole by the empty name. Watch is left out, which the protocol allows.
func healthMethods(ready func(context.Context) bool) []connect.Method {
	schema := healthv1.File_grpc_health_v1_health_proto.Services().ByName("Health").Methods()
	return []connect.Method{{
		Spec: connect.Spec{
			StreamType:       connect.StreamTypeUnary,
			IdempotencyLevel: connect.IdempotencyNoSideEffects,
			Procedure:        healthv1.Health_Check_FullMethodName,
			Schema:           schema.ByName("Check"),
		},
		Handler: func(ctx context.Context, _ connect.Spec, stream connect.ServerStream) error {
			var request healthv1.HealthCheckRequest
			if err := stream.Receive(&request); err != nil {
				return err
			}
			if name := request.GetService(); name != "" && name != keyvaluev1connect.KeyValueServiceName {
				return connect.Errorf(connect.CodeNotFound, "unknown service %q", name)
			}
			status := healthv1.HealthCheckResponse_NOT_SERVING
			if ready(ctx) {
				status = healthv1.HealthCheckResponse_SERVING
			}
			return stream.Send(&healthv1.HealthCheckResponse{Status: status})
		},
	}}
}

// Mount returns a handler that serves procedures over Connect, gRPC and gRPC-Web, with messages large enough for values of
// valueBytes, and passes other requests to next.
func Mount(procedures *connect.Server, valueBytes int, next http.Handler) http.Handler {
	mux, maxBytes := http.NewServeMux(), contract.MaxRequestBytes(valueBytes)
	binary, json := connectproto.NewBinaryCodec(), grpclane.StrictJSON()
	connecthttp.Mount(mux, procedures,
		connecthttp.WithReadMaxBytes(maxBytes),
		connecthttp.WithCodecs(binary, json),
		// A compressed request can cost far more than its size, and responses are small or do not compress.
		connecthttp.WithCompressors(),
	)
	services := map[string]bool{}
	others := rejects{map[string]connect.Spec{}, connecthttp.NewErrorWriter()}
	for spec := range procedures.Specs() {
		services[serviceOf(spec.Procedure)] = true
		others.specs[spec.Procedure] = spec
	}
	unary := newUnaryCalls(procedures, maxBytes, others.errors, binary, json)
	return withText(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !services[serviceOf(r.URL.Path)] && isRPC(r):
			err := unknown(r.Context(), connect.Spec{Procedure: r.URL.Path}, nil)
			_ = others.errors.Write(w, r, err) // fails only if the caller is gone
		case !services[serviceOf(r.URL.Path)]:
			next.ServeHTTP(w, r)
		case !others.reject(w, r):
			r = admission.WithBody(withoutMistake(others.overHTTP2(r)), int64(maxBytes))
			if !unary.serve(w, r, others.specs[r.URL.Path]) {
				mux.ServeHTTP(w, r)
			}
		}
	}))
}

// isRPC reports whether r is a call over gRPC or gRPC-Web, or of a stream over Connect, whatever its path.
func isRPC(r *http.Request) bool {
	contentType := r.Header.Get("Content-Type")
	return r.Method == http.MethodPost &&
		(strings.HasPrefix(contentType, "application/grpc") || strings.HasPrefix(contentType, "application/connect+"))
}

// serviceOf returns "/package.Service" for "/package.Service/Method", and "" for any other path.
func serviceOf(path string) string {
	i := strings.LastIndexByte(path, '/')
	if i <= 0 || strings.IndexByte(path[1:i], '/') >= 0 {
		return ""
	}
	return path[:i]
}
