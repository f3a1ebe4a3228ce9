package server

import (
	"context"
	"io"
	"net/http"

	"key-value/internal/contract/problem"
)

// Probes answers /health, /livez and /readyz without a key, as plain HTTP, and hands the rest to next.
//
//   - /health and /livez are 200 while the process can answer at all.
//   - /readyz is 200 while it should be sent traffic: it is not stopping, and ready says that it can do its
//     work. Otherwise it is 503.
func Probes(state *State, ready func(context.Context) bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/health", "/livez":
			answer(w, r, true)
		case "/readyz":
			answer(w, r, state.Running() && ready(r.Context()))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func answer(w http.ResponseWriter, r *http.Request, ok bool) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		header.Set("Allow", "GET, HEAD")
		problem.Problem{Status: http.StatusMethodNotAllowed, Detail: "Probes answer GET and HEAD only."}.Write(w, r)
	case !ok:
		problem.Problem{Status: http.StatusServiceUnavailable, Detail: "The server is not ready for traffic."}.Write(w, r)
	default:
		header.Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"status":"ok"}`+"\n")
	}
}
