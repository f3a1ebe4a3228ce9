package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"key-value/internal/server/grpclane"
	"key-value/internal/server/httplane"
	"key-value/internal/server/sniff"
)

// laneServer is one of the servers of a port.
type laneServer interface {
	// Serve serves the connections of a listener until Stop is called.
	Serve(net.Listener) error
	// Stop waits until the calls under way are done, and cuts them off when ctx is.
	Stop(ctx context.Context) error
}

// servers are the servers of one port.
type servers struct {
	mux   *sniff.Mux
	lanes map[sniff.Lane]laneServer
	done  chan struct{} // closed when no further connection is accepted
}

func newServers(listener net.Listener, cfg Config) *servers {
	bounds := cfg.Bounds.WithDefaults()
	lanes := map[sniff.Lane]laneServer{
		sniff.HTTP: httplane.New(httplane.Config{
			Handler: cfg.Handler, TLS: cfg.TLS != nil, Bounds: bounds, Running: cfg.State.Running, Log: cfg.Log,
		}),
	}
	if cfg.RPC != nil {
		lanes[sniff.GRPC] = grpclane.New(cfg.RPC, bounds)
	}
	return &servers{
		mux:   sniff.New(listener, sniff.Config{GRPC: cfg.RPC != nil, TLS: cfg.TLS, Bounds: bounds, Log: cfg.Log}),
		lanes: lanes,
		done:  make(chan struct{}),
	}
}

// serve returns a channel that gets an error if one of the servers ends by itself.
func (s *servers) serve() <-chan error {
	served := make(chan error, 1+len(s.lanes))
	go func() {
		defer close(s.done)
		if err := s.mux.Run(); err != nil {
			served <- err
		}
	}()
	for name, lane := range s.lanes {
		go func() { served <- lane.Serve(s.mux.Listener(name)) }()
	}
	return served
}

// stop accepts no further connection, and waits until the calls under way are done, for drain at most.
func (s *servers) stop(drain time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	closeErr := s.mux.Close()
	<-s.done
	s.mux.Settle(ctx)
	stopped := make(chan error, len(s.lanes))
	var all sync.WaitGroup
	for _, lane := range s.lanes {
		all.Go(func() { stopped <- lane.Stop(ctx) })
	}
	all.Wait()
	close(stopped)
	var err error
	for e := range stopped {
		err = errors.Join(err, e)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("calls were still under way after %v and were cut off", drain)
	}
	return errors.Join(err, closeErr)
}
