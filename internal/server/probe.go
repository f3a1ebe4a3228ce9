package server

import (
	"context"
	"io"
	"net/http"

	"key-value/internal/contract/problem"
)

// Probes answers /health, /livez and /readyz over HTTP, without an API key, and passes other requests to next.
//
//   - /health and /livez return 200 as long as the process can answer.
//   - /readyz returns 200 while the server should receive traffic: it is not stopping, and ready returns true.
//     Otherwise it returns 503.
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
