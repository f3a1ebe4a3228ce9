package cli

import (
	"context"
	"log/slog"

	"connectrpc.com/connect/v2"
	"github.com/spf13/cobra"

	"key-value/gateway/rest"
	"key-value/internal/observe"
	"key-value/internal/observe/requestid"
	"key-value/kvservice/store"
)

// observe opens what the flags and the environment ask for: metrics with an admin address, and traces.
func (s *daemon) observe(cmd *cobra.Command) error {
	if s.admin != "" {
		s.metrics = observe.NewMetrics(cmd.Name(), cmd.Root().Version)
	}
	var err error
	if s.tracing, err = observe.NewTracing(cmd.Context(), "kv-"+cmd.Name(), cmd.Root().Version, s.getenv, s.log); err != nil {
		return usageError{err}
	}
	return nil
}

// flush sends the last traces, and returns err with what went wrong.
func (s *daemon) flush(err error) error {
	if s.tracing == nil {
		return err
	}
	if failed := s.tracing.Close(); failed != nil {
		s.log.Warn("the last traces are not sent", "error", failed)
	}
	return err
}

// observed returns what is around every RPC that comes from outside.
func (s *daemon) observed() []connect.ServerInterceptor {
	var around []connect.ServerInterceptor
	if s.metrics != nil {
		around = append(around, s.metrics.ServeCalls)
	}
	if s.tracing != nil {
		around = append(around, s.tracing.ServeCalls)
	}
	return around
}

// observedStore returns what is around every RPC that reaches engine, which is measured from now on.
func (s *daemon) observedStore(engine store.Engine) []connect.ServerInterceptor {
	if s.metrics == nil {
		return nil
	}
	s.metrics.ForService(engine)
	return []connect.ServerInterceptor{s.metrics.ServeBatches}
}

// inside returns what is around every call of the service in the same process. That is not measured, because the
// gateway has done so, but recorded.
func (s *daemon) inside(engine store.Engine) []connect.ServerInterceptor {
	around := s.observedStore(engine)
	if s.tracing != nil {
		around = append(around, s.tracing.ServeCalls)
	}
	return around
}

// observer returns what REST requests are watched by, or nil.
func (s *daemon) observer() rest.Observer {
	o := observe.Observer{Log: s.log, Metrics: s.metrics, Tracing: s.tracing}
	if o.Idle() {
		return nil
	}
	if s.metrics != nil {
		s.metrics.ForGateway()
	}
	return o
}

// gather lets a batch travel with the request ids and the traces of its calls. Ids that nobody chose are of use only to
// who reads every line of the log.
func (s *daemon) gather(ctx context.Context, calls []context.Context) (context.Context, func(error)) {
	ctx = requestid.Gather(ctx, calls, s.log.Enabled(ctx, slog.LevelDebug))
	if s.tracing == nil {
		return ctx, func(error) {}
	}
	return s.tracing.Gather(ctx, calls)
}
