// Package serve runs an HTTP server from its listener to a clean stop.
package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

const (
	// headerTimeout bounds how long a request line and its headers may take to come.
	headerTimeout = 10 * time.Second
	// idleTimeout closes a connection on which nothing happens.
	idleTimeout = 2 * time.Minute
	// headerBytes bounds a request line and its headers.
	headerBytes = 16 << 10
	// streams bounds the calls that one HTTP/2 connection may have open.
	streams = 1000
	// pingAfter is how long an HTTP/2 connection may be silent before it is asked for a sign of life, and
	// pingTimeout how long that may take.
	pingAfter   = 30 * time.Second
	pingTimeout = 15 * time.Second
)

// Config says what to serve.
type Config struct {
	// Listen is the address to listen on, as host:port. Port 0 takes any free one.
	Listen string
	// Handler answers the requests. It must be set.
	Handler http.Handler
	// State is told when the server begins to stop. It must be set.
	State *State
	// Drain is how long calls may take to finish once the server stops. Zero: they are cut off at once.
	Drain time.Duration
	// Started is called with the real address once the listener is open. Nil: nobody is told.
	Started func(addr string)
	// Log is told where the server listens. It must be set.
	Log *slog.Logger
}

// State is what a server tells those who ask whether it still runs. Make it with NewState.
type State struct {
	stopping context.Context
	stop     context.CancelFunc
}

// NewState returns the state of a server that runs.
func NewState() *State {
	ctx, cancel := context.WithCancel(context.Background())
	return &State{stopping: ctx, stop: cancel}
}

// Running reports whether the server takes new work.
func (s *State) Running() bool { return s.stopping.Err() == nil }

// Stopping is done when the server stops. Streams, which would never end by themselves, end then.
func (s *State) Stopping() context.Context { return s.stopping }

// Run serves until ctx is done, and then stops: it says that it is not ready, ends streams, takes no new
// connection, and waits for the calls that are under way, for cfg.Drain at most. It returns nil after a
// clean stop.
func Run(ctx context.Context, cfg Config) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return err // says what was tried and where
	}
	cfg.Log.Info("listening", "addr", listener.Addr().String())
	if cfg.Started != nil {
		cfg.Started(listener.Addr().String())
	}
	server := newServer(cfg)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		cfg.State.stop()
		return err
	case <-ctx.Done():
	}
	cfg.Log.Info("stopping", "drain", cfg.Drain)
	cfg.State.stop()
	return stop(server, cfg.Drain)
}

func newServer(cfg Config) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           oneLength(withDeadlines(cfg.Handler)),
		Protocols:         protocols,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerBytes,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: streams,
			SendPingTimeout:      pingAfter,
			PingTimeout:          pingTimeout,
			WriteByteTimeout:     writeTimeout,
		},
		ErrorLog: slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug),
	}
}

// oneLength closes an HTTP/1.1 connection behind a request in chunks. Such a request may have had a
// Content-Length as well, which net/http drops without a word; what follows it could then be read as a second
// request here and as part of the first one by a proxy in front (RFC 9112, section 6.1).
func oneLength(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 && len(r.TransferEncoding) != 0 {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// stop waits for Shutdown, not for Serve, which returns as soon as Shutdown begins.
func stop(server *http.Server, drain time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	err := server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.Join(fmt.Errorf("calls were still under way after %v and were cut off", drain), server.Close())
	}
	return err
}
