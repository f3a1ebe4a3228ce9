// Package grpclane drives a connect.Server from grpc-go's HTTP/2 stack, so that gRPC is as fast as grpc-go
// makes it and meets the same handlers and interceptors as every other wire.
//
// What a caller sees is what connecthttp would have sent: the same codes, messages and details, the same
// metadata, the same limits. It takes no compressed messages.
package grpclane

import (
	"context"
	"net"

	"connectrpc.com/connect/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"key-value/internal/server/lane"
	"key-value/internal/server/sniff"
)

// workers is how many goroutines wait for calls, with stacks that have grown already. Further calls get
// goroutines of their own.
const workers = 64

// Lane is a gRPC server.
type Lane struct {
	service *service
	grpc    *grpc.Server
}

// New returns a gRPC server of all that server has, within bounds, which have a value in every field.
func New(server *connect.Server, bounds lane.Bounds) *Lane {
	s := &service{server: server, bounds: bounds, specs: map[string]connect.Spec{}}
	for spec := range server.Specs() {
		s.specs[spec.Procedure] = spec
	}
	return &Lane{s, grpc.NewServer(
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
		grpc.ReadBufferSize(0), // the connections have one
		grpc.NumStreamWorkers(workers),
	)}
}

// Serve serves the connections of a listener until Stop is called.
func (l *Lane) Serve(listener net.Listener) error {
	return l.grpc.Serve(accepting{listener, l})
}

// accepting makes what grpc-go needs of the connections of a listener.
type accepting struct {
	net.Listener
	lane *Lane
}

func (a accepting) Accept() (net.Conn, error) {
	c, err := a.Listener.Accept()
	if sniffed, ok := c.(*sniff.Conn); ok {
		return a.lane.Wrap(sniffed), nil
	}
	return c, err
}

// Wrap returns c, which must be HTTP/2, as grpc-go gets it.
func (l *Lane) Wrap(c *sniff.Conn) net.Conn { return newConn(c, l.service.bounds, l.service.specs) }

// Stop ends streams that are still open when ctx is done.
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
		l.grpc.Stop() // does not wait for handlers that do not care
		return ctx.Err()
	}
}
