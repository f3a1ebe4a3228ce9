package server

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"key-value/internal/server/grpclane"
)

const (
	// pingEvery is how often a gRPC client may ask for a sign of life. One that does so more often for long is
	// disconnected.
	pingEvery = time.Second
	// workers is how many goroutines wait for calls, with stacks that have grown already. Further calls get
	// goroutines of their own.
	workers = 64
)

// newGRPC returns the server of connections that a gRPC client opened, with the bounds that newHTTP sets. It
// returns nil if there are no such connections.
func newGRPC(cfg Config) *grpc.Server {
	if cfg.RPC == nil {
		return nil
	}
	bounds := grpclane.Config{
		ReadMaxBytes: cfg.MessageBytes, ReceiveTimeout: bodyTimeout, SendTimeout: writeTimeout,
	}
	return grpclane.NewServer(cfg.RPC, bounds,
		grpc.ConnectionTimeout(headerTimeout),
		grpc.MaxHeaderListSize(headerBytes),
		grpc.MaxConcurrentStreams(streams),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionIdle: idleTimeout, Time: pingAfter, Timeout: pingTimeout,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: pingEvery, PermitWithoutStream: true}),
		grpc.ReadBufferSize(0), // the connections have one
		grpc.NumStreamWorkers(workers),
	)
}
