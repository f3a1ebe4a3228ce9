package observe

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

// Admin serves what is for operators alone, on an address of its own: metrics and profiles of the program. It asks for
// no key, so the address must be one that only operators reach. Make it with ListenAdmin.
type Admin struct{ http *http.Server }

// ListenAdmin opens addr, as host:port, and serves it until Close is called, with metrics at /metrics.
func ListenAdmin(ctx context.Context, addr string, metrics http.Handler, log *slog.Logger) (*Admin, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err // says what was tried and where
	}
	a := &Admin{http: &http.Server{
		Handler:           routes(metrics),
		ReadHeaderTimeout: headerTimeout,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
	go func() {
		if err := a.http.Serve(listener); err != http.ErrServerClosed {
			log.Error("the admin address is no longer served", "error", err)
		}
	}()
	log.Info("admin address", "addr", listener.Addr().String())
	return a, nil
}

// Close stops at once, even in the middle of an answer.
func (a *Admin) Close() error { return a.http.Close() }

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
