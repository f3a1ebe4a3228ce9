// Package server runs an HTTP server from its listener to a clean stop.
package server

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"connectrpc.com/connect/v2"
	"golang.org/x/net/netutil"

	"key-value/internal/server/lane"
)

// Config says what to serve.
type Config struct {
	// Listen is the address to listen on, as host:port. Port 0 takes any free one.
	Listen string
	// Handler answers every request, RPCs included. It must be set.
	Handler http.Handler
	// RPC has the procedures that Handler serves, for connections that begin with gRPC: grpc-go calls it
	// directly, which is several times faster. Nil: Handler serves those connections too.
	RPC *connect.Server
	// Bounds limit what one peer can cost the server. Zero: the defaults.
	Bounds lane.Bounds
	// TLS is how to speak TLS. It must offer h2 and http/1.1. Nil: it is not spoken.
	TLS *tls.Config
	// State is told when the server begins to stop. It must be set.
	State *State
	// MaxConnections is how many connections may be open. Further ones wait, not accepted, until one is closed. Zero: as
	// many as come.
	MaxConnections int
	// DrainDelay is how long the server, once it is to stop, goes on as before but says that it is not ready, so that
	// load balancers hear of it and send no more. Zero: it stops at once.
	DrainDelay time.Duration
	// Drain is how long calls may take to finish once the server stops. Zero: they are cut off at once.
	Drain time.Duration
	// Started is called with the real address once the listener is open. Nil: nobody is told.
	Started func(addr string)
	// Log is told where the server listens. It must be set.
	Log *slog.Logger
}

// State is what a server tells those who ask whether it still runs. Make it with NewState.
type State struct {
	leaving  atomic.Bool // whether no more should be sent
	stopping context.Context
	stop     context.CancelFunc
}

// NewState returns the state of a server that runs.
func NewState() *State {
	ctx, cancel := context.WithCancel(context.Background())
	return &State{stopping: ctx, stop: cancel}
}

// Running reports whether the server should be sent new work.
func (s *State) Running() bool { return !s.leaving.Load() && s.stopping.Err() == nil }

// leave has Running report false for a while before the server stops.
func (s *State) leave(d time.Duration) {
	s.leaving.Store(true)
	time.Sleep(d)
}

// Stopping is done when the server stops. Streams, which would never end by themselves, end then.
func (s *State) Stopping() context.Context { return s.stopping }

// Run serves until ctx is done, and then stops: it says that it is not ready and goes on for cfg.DrainDelay, ends
// streams, takes no new connection, and waits for the calls that are under way, for cfg.Drain at most. It returns nil
// after a clean stop.
func Run(ctx context.Context, cfg Config) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return err // says what was tried and where
	}
	if cfg.MaxConnections > 0 {
		listener = netutil.LimitListener(listener, cfg.MaxConnections)
	}
	cfg.Log.Info("listening", "addr", listener.Addr().String(), "tls", cfg.TLS != nil)
	if cfg.Started != nil {
		cfg.Started(listener.Addr().String())
	}
	servers := newServers(listener, cfg)
	served := servers.serve()
	select {
	case err := <-served:
		cfg.State.stop()
		return err
	case <-ctx.Done():
	}
	cfg.Log.Info("stopping", "delay", cfg.DrainDelay, "drain", cfg.Drain)
	cfg.State.leave(cfg.DrainDelay)
	cfg.State.stop()
	return servers.stop(cfg.Drain)
}
