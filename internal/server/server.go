// Package server runs one port, from its listener to a clean stop:
//
//	accept → TLS → first bytes ─┬─ HTTP/1.1 ────────────────────► package plainlane (ours) ────► http.Handler
//	        package sniff       │                                   └─ a request that is not plain
//	                            │                                   ▼
//	                            ├─ everything else ─────────────► package httplane (net/http) ─► http.Handler
//	                            └─ HTTP/2 that begins with gRPC ► package grpclane (grpc-go) ──► connect.Server
//
// Every lane keeps the same bounds (package lane), and either ends in the same procedures: the handler serves those of
// the connect.Server too.
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

	"key-value/internal/server/forwarded"
	"key-value/internal/server/lane"
)

// Bounds limit what one peer can cost the server. The zero value of a field selects its default.
type Bounds = lane.Bounds

// DefaultTransferRate is the default of Bounds.TransferRate, in bytes a second.
const DefaultTransferRate = lane.DefaultTransferRate

// DefaultIdleTimeout is the default of Bounds.IdleTimeout.
const DefaultIdleTimeout = lane.DefaultIdleTimeout

// Config configures a server.
type Config struct {
	// Listen is the address to listen on, as host:port. Port 0 selects a free port.
	Listen string
	// Handler answers every request, RPCs included. It must be set.
	Handler http.Handler
	// RPC has the procedures that Handler serves. On connections that begin with gRPC, grpc-go calls them directly, which
	// is several times faster. Nil: Handler serves those connections too.
	RPC *connect.Server
	// Plain has plain HTTP/1.1 requests served by package plainlane, which is faster than net/http. False: net/http serves
	// all HTTP/1.1.
	Plain bool
	// Bounds limit what one peer can cost the server. Zero: the defaults.
	Bounds Bounds
	// TLS configures TLS, which is then required. It must offer h2 and http/1.1. Nil: no TLS.
	TLS *tls.Config
	// State is how handlers learn that the server is stopping. It must be set.
	State *State
	// MaxConnections is how many connections may be open at once. Further ones take the places of those that are idle.
	// Zero: no limit.
	MaxConnections int
	// Proxies are those whose word on a caller's address is believed: it is then the RemoteAddr of a request, and the
	// PeerAddr of a call. Nil: no proxy is trusted.
	Proxies forwarded.Proxies
	// DrainDelay is how long the server, when it is to stop, keeps serving while it reports that it is not ready, so
	// that load balancers stop sending requests. Zero: no delay.
	DrainDelay time.Duration
	// Drain is how long calls may take to finish after that. Zero: they are cut off at once.
	Drain time.Duration
	// Started is called with the actual address once the listener is open. May be nil.
	Started func(addr string)
	// Traffic counts connections and requests. Nil: they are not counted.
	Traffic *Traffic
	// Log receives the address, the stop, and failures of connections. It must be set.
	Log *slog.Logger
}

// State is the state of a server. Make it with NewState.
type State struct {
	draining atomic.Bool  // whether DrainDelay has begun
	loading  atomic.Int32 // how much of the data is loaded, in percent, plus 1; zero: all of it
	stopping context.Context
	stop     context.CancelFunc
}

// NewState returns the state of a running server.
func NewState() *State {
	ctx, cancel := context.WithCancel(context.Background())
	return &State{stopping: ctx, stop: cancel}
}

// Running reports whether the server wants new requests.
func (s *State) Running() bool { return !s.draining.Load() && s.stopping.Err() == nil }

// Load says how much of the data has been loaded, in percent. The server is not ready until Loaded is called.
func (s *State) Load(percent int) { s.loading.Store(int32(percent) + 1) }

// Loaded says that all data has been loaded.
func (s *State) Loaded() { s.loading.Store(0) }

// Loading returns how much of the data has been loaded, in percent, or false if all of it is.
func (s *State) Loading() (percent int, ok bool) {
	n := int(s.loading.Load())
	return n - 1, n != 0
}

// drain makes Running false, and returns after delay.
func (s *State) drain(delay time.Duration) {
	s.draining.Store(true)
	time.Sleep(delay)
}

// Stopping returns a context that is done when the server stops. Streams have to end then, or they would keep the server
// from stopping.
func (s *State) Stopping() context.Context { return s.stopping }

// Run serves until ctx is done. It then stops: it reports that it is not ready, keeps serving for cfg.DrainDelay, ends
// streams, closes the listener, and waits up to cfg.Drain for calls to finish. It returns nil after a clean stop.
func Run(ctx context.Context, cfg Config) error {
	listener, err := (&net.ListenConfig{Control: limitUnsent}).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return err // names the operation and the address
	}
	if cfg.Traffic == nil {
		cfg.Traffic = &Traffic{}
	}
	listener = newTable(listener, cfg.MaxConnections, cfg.Proxies, &cfg.Traffic.connections)
	if cfg.Started != nil {
		cfg.Started(listener.Addr().String())
	}
	cfg.Log.Info("listening", "addr", listener.Addr().String(), "tls", cfg.TLS != nil)
	port := newPort(listener, cfg)
	served := port.serve()
	select {
	case err := <-served:
		cfg.State.stop()
		return err
	case <-ctx.Done():
	}
	cfg.Log.Info("stopping", "delay", cfg.DrainDelay, "drain", cfg.Drain)
	cfg.State.drain(cfg.DrainDelay)
	cfg.State.stop()
	return port.stop(cfg.Drain)
}
