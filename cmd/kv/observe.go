package main

import (
	"context"
	"log/slog"

	"connectrpc.com/connect/v2"

	"key-value/gateway/rest"
	"key-value/internal/requestid"
	"key-value/internal/telemetry"
	"key-value/kvservice/store"
)

// observed returns what is around every RPC that comes from outside.
func (s *server) observed() []connect.ServerInterceptor {
	if s.metrics == nil {
		return nil
	}
	return []connect.ServerInterceptor{s.metrics.ServeCalls}
}

// observedStore returns what is around every RPC that reaches engine, which is measured from now on.
func (s *server) observedStore(engine store.Engine) []connect.ServerInterceptor {
	if s.metrics == nil {
		return nil
	}
	s.metrics.ForService(engine)
	return []connect.ServerInterceptor{s.metrics.ServeBatches}
}

// observer returns what REST requests are watched by, or nil.
func (s *server) observer() rest.Observer {
	o := telemetry.Observer{Log: s.log, Metrics: s.metrics}
	if o.Idle() {
		return nil
	}
	if s.metrics != nil {
		s.metrics.ForGateway()
	}
	return o
}

// hop returns a transport over next, for a gateway whose service is another process.
func (s *server) hop(next connect.Transport) connect.Transport {
	next = requestid.Pass(next)
	if s.metrics == nil {
		return next
	}
	s.metrics.ForHop()
	return s.metrics.Hop(next)
}

// gather lets a batch travel with the request ids of its calls. Ids that nobody chose are of use only to who reads
// every line of the log.
func (s *server) gather(ctx context.Context, calls []context.Context) (context.Context, func(error)) {
	all := s.log.Enabled(ctx, slog.LevelDebug)
	return requestid.Gather(ctx, calls, all), func(error) {}
}
