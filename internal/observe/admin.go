package observe

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"
)

// headerTimeout limits how long reading a request line and headers may take.
const headerTimeout = 10 * time.Second

// Admin is the server of the admin address: metrics, profiles and probes for operators. It does not authenticate, so only
// operators must be able to reach it. Start it with ListenAdmin.
type Admin struct{ http *http.Server }

// AdminHandlers are what the admin address serves in addition to profiles.
type AdminHandlers struct {
	Metrics http.Handler // of /metrics
	Keys    http.Handler // of /debug/keys; nil: there are no key statistics
	Rest    http.Handler // of every other path
}

// ListenAdmin listens on addr, a host:port, and serves handlers and /debug/pprof until Close.
func ListenAdmin(ctx context.Context, addr string, handlers AdminHandlers, log *slog.Logger) (*Admin, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err // it includes the operation and the address
	}
	a := &Admin{http: &http.Server{
		Handler:           routes(handlers),
		ReadHeaderTimeout: headerTimeout,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
	go func() {
		if err := a.http.Serve(listener); err != http.ErrServerClosed {
			log.Error("admin server stopped", "error", err)
		}
	}()
	log.Info("admin address", "addr", listener.Addr().String())
	return a, nil
}

// Close stops the server immediately and aborts requests.
func (a *Admin) Close() error { return a.http.Close() }

func routes(handlers AdminHandlers) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", handlers.Rest)
	mux.Handle("GET /metrics", handlers.Metrics)
	if handlers.Keys != nil {
		mux.Handle("GET /debug/keys", handlers.Keys)
	}
	mux.HandleFunc("GET /debug/pprof/", pprof.Index) // the index, and the runtime's profiles by name
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}
