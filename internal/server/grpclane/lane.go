// Package grpclane is the lane of grpc-go. It drives a connect.Server from grpc-go's HTTP/2 stack, so that gRPC is as
// fast as grpc-go makes it and reaches the same handlers and interceptors as every other protocol.
//
// Callers get what connecthttp would have sent: the same codes, messages, details, metadata and limits. Compressed
// messages are not accepted.
package grpclane

import (
	"context"
	"net"
	"sync/atomic"

	"connectrpc.com/connect/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"key-value/internal/server/lane"
	"key-value/internal/server/sniff"
)

// workers is how many goroutines wait for calls, with stacks that have already grown. More calls at once start goroutines
// of their own.
const workers = 64

// Lane serves connections by grpc-go.
type Lane struct {
	service *service
	limiter *lane.Limiter
	grpc    *grpc.Server
}

// New returns a Lane that serves the procedures of server. Every field of bounds must be set. Limiter is that of all
// lanes. Calls counts those that begin.
func New(server *connect.Server, bounds lane.Bounds, limiter *lane.Limiter, calls *atomic.Int64) *Lane {
	s := &service{server: server, bounds: bounds, calls: calls, specs: map[string]connect.Spec{}}
	for spec := range server.Specs() {
		s.specs[spec.Procedure] = spec
	}
	return &Lane{s, limiter, grpc.NewServer(
		grpc.UnknownServiceHandler(s.serve),
		grpc.ForceServerCodecV2(outgoingCodec{}),
		grpc.InTapHandle(keepHeader),
		grpc.ConnectionTimeout(bounds.HeaderTimeout),
		grpc.MaxHeaderListSize(uint32(bounds.HeaderBytes)),
		grpc.MaxConcurrentStreams(uint32(bounds.Streams)),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionIdle: bounds.IdleTimeout, Time: bounds.PingAfter, Timeout: bounds.PingTimeout,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: bounds.PingInterval, PermitWithoutStream: true}),
		grpc.ReadBufferSize(0), // the connections have a buffer
		grpc.NumStreamWorkers(workers),
	)}
}

// Serve serves the connections of a listener until Stop is called.
func (l *Lane) Serve(listener net.Listener) error {
	return l.grpc.Serve(wrapping{listener, l})
}

// wrapping is a listener whose connections are wrapped.
type wrapping struct {
	net.Listener
	lane *Lane
}

func (w wrapping) Accept() (net.Conn, error) {
	c, err := w.Listener.Accept()
	if sniffed, ok := c.(*sniff.Conn); ok {
		return w.lane.Wrap(sniffed), nil
	}
	return c, err
}

// Wrap returns c, which must be gRPC, as grpc-go reads and writes it.
func (l *Lane) Wrap(c *sniff.Conn) net.Conn {
	return newConn(c, l.service.bounds, l.limiter, l.service.specs)
}

// Stop waits until calls are done, or cuts them off when ctx is.
func (l *Lane) Stop(ctx context.Context) error {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		l.grpc.GracefulStop()
	}()
	select {
	case <-stopped:
		return nil
	case <-ctx.Done():
		l.grpc.Stop() // does not wait for handlers
		return ctx.Err()
	}
}
