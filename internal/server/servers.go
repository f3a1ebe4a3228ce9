package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"connectrpc.com/connect/v2"
	"google.golang.org/grpc"

	"key-value/internal/server/split"
)

// servers are the two servers of one port.
type servers struct {
	split *split.Splitter
	http  *http.Server
	grpc  *grpc.Server  // nil: http serves gRPC too
	done  chan struct{} // closed when no further connection is accepted
}

func newServers(listener net.Listener, cfg Config) *servers {
	return &servers{
		split: split.New(listener, split.Config{
			Procedures:     procedures(cfg.RPC),
			TLS:            cfg.TLS,
			HeaderTimeout:  headerTimeout,
			IdleTimeout:    idleTimeout,
			WriteTimeout:   writeTimeout,
			MaxHeaderBytes: headerBytes,
			MaxStreams:     streams,
			Log:            cfg.Log,
		}),
		http: newHTTP(cfg),
		grpc: newGRPC(cfg),
		done: make(chan struct{}),
	}
}

// procedures returns the paths of rpc, and nil if that is nil.
func procedures(rpc *connect.Server) map[string]bool {
	if rpc == nil {
		return nil
	}
	paths := map[string]bool{}
	for spec := range rpc.Specs() {
		paths[spec.Procedure] = true
	}
	return paths
}

// serve returns a channel that gets an error if one of the servers ends by itself.
func (s *servers) serve() <-chan error {
	served := make(chan error, 3)
	go func() {
		defer close(s.done)
		if err := s.split.Run(); err != nil {
			served <- err
		}
	}()
	go func() { served <- s.http.Serve(s.split.HTTP()) }()
	if s.grpc != nil {
		go func() { served <- s.grpc.Serve(s.split.GRPC()) }()
	}
	return served
}

// stop accepts no further connection, and waits until the calls under way are done, for drain at most.
func (s *servers) stop(drain time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	closeErr := s.split.Close()
	<-s.done
	s.split.Settle(ctx)
	var httpErr, grpcErr error
	var both sync.WaitGroup
	both.Go(func() { httpErr = s.stopHTTP(ctx) })
	both.Go(func() { grpcErr = s.stopGRPC(ctx) })
	both.Wait()
	s.split.Flush()
	err := errors.Join(httpErr, grpcErr)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("calls were still under way after %v and were cut off", drain)
	}
	return errors.Join(err, closeErr)
}

// stopHTTP waits for Shutdown, not for Serve, which returns as soon as Shutdown begins.
func (s *servers) stopHTTP(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.Join(err, s.http.Close())
	}
	return err
}

// stopGRPC ends streams that are still open when ctx is done.
func (s *servers) stopGRPC(ctx context.Context) error {
	if s.grpc == nil {
		return nil
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.grpc.GracefulStop()
	}()
	select {
	case <-stopped:
		return nil
	case <-ctx.Done():
		s.grpc.Stop() // does not wait for handlers that do not care
		return ctx.Err()
	}
}
