package server

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"key-value/internal/contract/problem"
)

// Probes answers /health, /livez and /readyz over HTTP, without an API key, and passes other requests to next.
//
//   - /health and /livez return 200 as long as the process can answer.
//   - /readyz returns 200 while the server should receive traffic: its data is loaded, it is not stopping, and ready
//     returns true.
//     Otherwise it returns 503. Its detail tells load balancers whether the server is stopping: then it finishes the
//     calls that it has, so their connections must stay open.
func Probes(state *State, ready func(context.Context) bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/health", "/livez":
			answer(w, r, "")
		case "/readyz":
			answer(w, r, unready(r.Context(), state, ready))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// unready says why the server should not receive traffic. It returns "" if it should.
func unready(ctx context.Context, state *State, ready func(context.Context) bool) string {
	percent, loading := state.Loading()
	switch {
	case !state.Running():
		return "The server is stopping." // the load balancer of compose.cluster.yaml looks for this
	case loading:
		return fmt.Sprintf("The server is loading its data: %d%%.", percent)
	case !ready(ctx):
		return "The server is not ready for traffic."
	}
	return ""
}

// answer answers a probe: with 503 if there is a problem, else with 200.
func answer(w http.ResponseWriter, r *http.Request, detail string) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		header.Set("Allow", "GET, HEAD")
		problem.Problem{Status: http.StatusMethodNotAllowed, Detail: "Probes answer GET and HEAD only."}.Write(w, r)
	case detail != "":
		problem.Problem{Status: http.StatusServiceUnavailable, Detail: detail}.Write(w, r)
	default:
		header.Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"status":"ok"}`+"\n")
	}
}
