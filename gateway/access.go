package gateway

import (
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"time"

	"connectrpc.com/connect/v2"
	connectcors "connectrpc.com/cors"
	"github.com/rs/cors"

	"key-value/gateway/rest"
	"key-value/internal/auth"
	"key-value/internal/observe/requestid"
)

// preflightAge is how long a browser may cache the answer to a preflight request.
const preflightAge = 2 * time.Hour

// allowOrigins lets pages of other origins call, over REST and RPC. A preflight request carries no key, so it is answered
// before the checks.
func allowOrigins(origins []string, next http.Handler) http.Handler {
	if len(origins) == 0 {
		return next
	}
	return cors.New(cors.Options{
		AllowedOrigins: origins,
		AllowedMethods: append(connectcors.AllowedMethods(),
			http.MethodHead, http.MethodPut, http.MethodPatch, http.MethodDelete),
		AllowedHeaders: append(connectcors.AllowedHeaders(),
			auth.Header, "Authorization", "Accept", "If-Match", "If-None-Match", "Last-Event-ID", "Prefer", requestid.Header),
		ExposedHeaders: slices.Concat(connectcors.ExposedHeaders(),
			[]string{"ETag", "Link", "Location", "Preference-Applied", "Retry-After", requestid.Header}),
		MaxAge: int(preflightAge / time.Second),
	}).Handler(next)
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
