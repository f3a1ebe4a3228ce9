// Package admin serves what is for operators alone, on an address of its own: metrics and profiles of the program.
// It asks for no key, so the address must be one that only operators reach.
package admin

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"
)

// headerTimeout bounds how long a request line and its headers may take to come.
const headerTimeout = 10 * time.Second

// Server is an admin address that is being served. Make it with Listen.
type Server struct{ http *http.Server }

// Listen opens addr, as host:port, and serves it until Close is called, with metrics at /metrics.
func Listen(ctx context.Context, addr string, metrics http.Handler, log *slog.Logger) (*Server, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err // says what was tried and where
	}
	s := &Server{http: &http.Server{
		Handler:           routes(metrics),
		ReadHeaderTimeout: headerTimeout,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
	go func() {
		if err := s.http.Serve(listener); err != http.ErrServerClosed {
			log.Error("the admin address is no longer served", "error", err)
		}
	}()
	log.Info("admin address", "addr", listener.Addr().String())
	return s, nil
}

// Close stops at once, even in the middle of an answer.
func (s *Server) Close() error { return s.http.Close() }

func routes(metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index) // and the profiles that the runtime knows by name
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}
