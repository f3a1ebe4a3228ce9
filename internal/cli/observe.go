package cli

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"

	"connectrpc.com/connect/v2"
	"github.com/spf13/cobra"

	"key-value/gateway/rest"
	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract/keystatsjson"
	"key-value/internal/observe"
	"key-value/internal/observe/requestid"
	"key-value/kvservice"
	"key-value/kvservice/keystats"
	"key-value/kvservice/store"
)

// observe enables metrics if there is an admin address, and tracing if the environment configures it.
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

// flush sends the remaining traces and returns err. A failure to send them is only logged.
func (s *daemon) flush(err error) error {
	if s.tracing == nil {
		return err
	}
	if failed := s.tracing.Close(); failed != nil {
		s.log.Warn("sending the last traces failed", "error", failed)
	}
	return err
}

// observed returns the interceptors of RPCs from other processes.
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

// observedStore starts to measure engine, and returns the interceptors of RPCs that reach it.
func (s *daemon) observedStore(engine store.Engine) []connect.ServerInterceptor {
	if s.metrics == nil {
		return nil
	}
	s.metrics.ForService(engine)
	if l, ok := engine.(*loading); ok {
		s.metrics.ForLog(l.logStats)
	}
	return []connect.ServerInterceptor{s.metrics.ServeBatches}
}

// observeKeys serves the key statistics of service on the admin address, if there is one, and measures the hottest keys.
// Keys is nil if nothing is recorded.
func (s *daemon) observeKeys(keys *keystats.Recorder, service *kvservice.Service) {
	if s.metrics == nil {
		return
	}
	s.debugKeys = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serveKeys(w, r, service) })
	if keys != nil {
		s.metrics.ForHottest(func() (read, write float64) {
			r, w := keys.Hottest()
			return r.Share, w.Share
		})
	}
}

// serveKeys serves key statistics of service to operators. The query has the fields of the request.
func serveKeys(w http.ResponseWriter, r *http.Request, service *kvservice.Service) {
	query := r.URL.Query()
	limit, err := strconv.ParseInt(cmp.Or(query.Get("limit"), "0"), 10, 32)
	if err != nil {
		http.Error(w, fmt.Sprintf("invalid limit %q: want a number from 1 to 100, or 0 for the default of 20", query.Get("limit")), http.StatusBadRequest)
		return
	}
	stats, err := service.GetKeyStats(r.Context(), &keyvaluev1.GetKeyStatsRequest{Limit: int32(limit), Delimiter: query.Get("delimiter")})
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	body, err := keystatsjson.Marshal(stats)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body)
}

// inside returns the interceptors of calls from a gateway in the same process. They are traced but not measured, because
// the gateway has measured them.
func (s *daemon) inside(engine store.Engine) []connect.ServerInterceptor {
	around := s.observedStore(engine)
	if s.tracing != nil {
		around = append(around, s.tracing.ServeCalls)
	}
	return around
}

// observer returns the observer of REST requests, or nil if nothing is observed.
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

// gather returns a context for a batch with the request ids and traces of its calls. Generated ids are included only
// while every call is logged, since nothing else mentions them.
func (s *daemon) gather(ctx context.Context, calls []context.Context) (context.Context, func(error)) {
	ctx = requestid.Gather(ctx, calls, s.log.Enabled(ctx, slog.LevelDebug))
	if s.tracing == nil {
		return ctx, func(error) {}
	}
	return s.tracing.Gather(ctx, calls)
}
