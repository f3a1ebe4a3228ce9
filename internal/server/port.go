package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"key-value/internal/server/grpclane"
	"key-value/internal/server/httplane"
	"key-value/internal/server/lane"
	"key-value/internal/server/plainlane"
	"key-value/internal/server/sniff"
)

// laneServer serves the connections of one lane.
type laneServer interface {
	// Serve serves the connections of a listener until Stop is called.
	Serve(net.Listener) error
	// Stop waits until calls are done, or cuts them off when ctx is.
	Stop(ctx context.Context) error
}

// lanes returns the lanes of a port. A new lane is an entry here, and what package sniff recognizes it by.
func lanes(cfg Config, bounds lane.Bounds, mux *sniff.Mux) map[sniff.Lane]laneServer {
	limiter := lane.NewLimiter(bounds)
	lanes := map[sniff.Lane]laneServer{
		sniff.HTTP: httplane.New(httplane.Config{
			Handler: counting(&cfg.Traffic.http, cfg.Handler), TLS: cfg.TLS != nil, Bounds: bounds, Limiter: limiter, Running: cfg.State.Running, Log: cfg.Log,
		}),
	}
	if cfg.RPC != nil {
		lanes[sniff.GRPC] = grpclane.New(cfg.RPC, bounds, limiter, &cfg.Traffic.grpc)
	}
	if cfg.Plain {
		lanes[sniff.Plain] = plainlane.New(plainlane.Config{
			Handler: counting(&cfg.Traffic.plain, cfg.Handler), Bounds: bounds, Running: cfg.State.Running, Log: cfg.Log,
			HandOver: func(conn *sniff.Conn) { mux.Deliver(sniff.HTTP, conn) },
		})
	}
	return lanes
}

// port is a listener with its lanes.
type port struct {
	mux      *sniff.Mux
	lanes    map[sniff.Lane]laneServer
	accepted chan struct{} // closed when no further connection is accepted
}

func newPort(listener net.Listener, cfg Config) *port {
	bounds := cfg.Bounds.WithDefaults()
	mux := sniff.New(listener, sniff.Config{GRPC: cfg.RPC != nil, Plain: cfg.Plain, TLS: cfg.TLS, Bounds: bounds, Log: cfg.Log})
	return &port{
		mux:      mux,
		lanes:    lanes(cfg, bounds, mux),
		accepted: make(chan struct{}),
	}
}

// serve starts to serve. The returned channel receives an error if a part of the port ends by itself.
func (p *port) serve() <-chan error {
	ended := make(chan error, 1+len(p.lanes))
	go func() {
		defer close(p.accepted)
		if err := p.mux.Run(); err != nil {
			ended <- err
		}
	}()
	for name, lane := range p.lanes {
		go func() { ended <- lane.Serve(p.mux.Listener(name)) }()
	}
	return ended
}

// stop closes the listener and waits up to drain for calls to finish.
func (p *port) stop(drain time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	closeErr := p.mux.Close()
	<-p.accepted
	p.mux.Settle(ctx)
	for _, lane := range p.lanes {
		if settling, ok := lane.(interface{ Settle(context.Context) }); ok {
			settling.Settle(ctx) // the lanes to which it hands connections over must not have stopped
		}
	}
	stopped := make(chan error, len(p.lanes))
	for _, lane := range p.lanes {
		go func() { stopped <- lane.Stop(ctx) }()
	}
	var err error
	for range p.lanes {
		err = errors.Join(err, <-stopped)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("calls were still running after %v and were cut off", drain)
	}
	return errors.Join(err, closeErr)
}
