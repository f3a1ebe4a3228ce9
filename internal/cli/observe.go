package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"

	"connectrpc.com/connect/v2"
	"github.com/spf13/cobra"

	"key-value/gateway/rest"
	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/admission"
	"key-value/internal/contract/keystatsjson"
	"key-value/internal/observe"
	"key-value/internal/observe/requestid"
	"key-value/kvservice"
	"key-value/kvservice/keystats"
	"key-value/kvservice/store"
)

// observe enables metrics if there is an admin address or the environment asks for them, and tracing if that does.
func (s *daemon) observe(cmd *cobra.Command) error {
	otlp, err := s.otlp(cmd)
	if err != nil {
		return usageError{err}
	}
	if s.admin != "" || otlp.WantsMetrics() {
		s.metrics = observe.NewMetrics(cmd.Name(), version(cmd))
	}
	if s.tracing, err = otlp.Tracing(cmd.Context()); err != nil {
		return usageError{err}
	}
	if s.export, err = otlp.Export(cmd.Context(), s.metrics); err != nil {
		return usageError{err}
	}
	return nil
}

// otlp returns what the environment asks to export with OTLP.
func (s *daemon) otlp(cmd *cobra.Command) (*observe.OTLP, error) {
	return observe.NewOTLP(cmd.Context(), observe.Process{
		Service: "kv-" + cmd.Name(), Version: version(cmd), Instance: s.instance(),
	}, s.getenv, s.log)
}

// instance returns what distinguishes this process from others of the same service: its host and port, as for Prometheus. They
// are the same after a restart, unless the port is any.
func (s *daemon) instance() string {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	_, port, _ := net.SplitHostPort(s.listen)
	if port == "0" {
		port = fmt.Sprintf("process-%d", os.Getpid())
	}
	return net.JoinHostPort(host, port)
}

// flush sends the remaining traces and metrics at the same time, and returns err. A failure to send them is only logged.
func (s *daemon) flush(err error) error {
	ctx, cancel := context.WithTimeout(context.Background(), observe.FlushTimeout)
	defer cancel()
	var sending sync.WaitGroup
	send := func(what string, closing func(context.Context) error) {
		sending.Go(func() {
			if failed := closing(ctx); failed != nil {
				s.log.Warn("sending the last "+what+" failed", "error", failed)
			}
		})
	}
	if s.tracing != nil {
		send("traces", s.tracing.Close)
	}
	if s.export != nil {
		send("metrics", s.export.Close)
	}
	sending.Wait()
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
		s.metrics.ForHottest(func() (read, write observe.Hottest) {
			r, w := keys.Hottest()
			return observe.Hottest{Share: r.Share, PerSecond: r.PerSecond}, observe.Hottest{Share: w.Share, PerSecond: w.PerSecond}
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
		coded, ok := errors.AsType[*connect.Error](err)
		if !ok || coded.Code() != connect.CodeInvalidArgument {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		http.Error(w, coded.Message(), http.StatusBadRequest)
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

// observeLimits starts to measure what callers use of the server.
func (s *daemon) observeLimits(limiter *admission.Limiter) {
	if s.metrics == nil {
		return
	}
	s.metrics.ForBudget(limiter.Budget())
	s.metrics.ForLanes(s.traffic.Requests)
	s.metrics.ForLimits(func() []observe.Limit {
		open, rejected := s.traffic.Connections()
		all := []observe.Limit{{Name: "connections", Used: open, Max: int64(s.conns), Rejected: rejected}}
		for _, u := range limiter.Usage() {
			all = append(all, observe.Limit{Name: u.Bound, Used: u.Used, Max: u.Max, Rejected: u.Rejected})
		}
		return all
	})
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

// gather returns a context for a batch with the request ids and traces of its calls.
func (s *daemon) gather(ctx context.Context, calls []context.Context) (context.Context, func(error)) {
	ctx = requestid.Gather(ctx, calls)
	if s.tracing == nil {
		return ctx, func(error) {}
	}
	return s.tracing.Gather(ctx, calls)
}
