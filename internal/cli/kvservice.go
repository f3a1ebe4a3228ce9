package cli

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"connectrpc.com/connect/v2"
	"github.com/spf13/cobra"

	"key-value/internal/admission"
	"key-value/internal/auth"
	"key-value/internal/observe/requestid"
	"key-value/internal/server"
	"key-value/internal/server/rpc"
	"key-value/kvservice"
	"key-value/kvservice/keystats"
	"key-value/kvservice/store"
)

func newKVService(getenv func(string) string) *cobra.Command {
	cmd, _ := kvserviceCommand(getenv)
	return cmd
}

func kvserviceCommand(getenv func(string) string) (*cobra.Command, settings) {
	s, e, insecure := newDaemon(getenv), &engineFlags{}, false
	cmd := &cobra.Command{
		Use:   "kvservice",
		Short: "Run the kvservice, which holds the data",
		Long: `Run the kvservice, which holds the data and serves gateways over HTTP/2.

It listens beyond loopback only if callers must authenticate, with a token or
with certificates (--tls-client-ca), or if --insecure is set.

By default, --watch-history is 1/64 of --memory-limit, of which changes older
than 30 s take up to 8MiB. If --max-memory is set, it is 8MiB, but at most an
eighth of that. With Redis or etcd, it is 64MiB.

Environment:

    KV_SERVICE_TOKEN   bearer token required from gateways
    KV_REDIS_USERNAME  user name for a Redis store
    KV_REDIS_PASSWORD  password for a Redis store
    KV_ETCD_USERNAME   user name for an etcd store
    KV_ETCD_PASSWORD   password for an etcd store`,
		Example: "  KV_SERVICE_TOKEN=… kv kvservice --listen 0.0.0.0:50051",
		Args:    cobra.ExactArgs(0),
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return s.serveData(cmd, e, insecure) }
	s.flags(cmd, "127.0.0.1:50051")
	e.flags(cmd)
	cmd.Flags().BoolVar(&insecure, "insecure", false, "listen beyond loopback without authenticating callers")
	cmd.Flags().StringVar(&s.clientCA, "tls-client-ca", "", "PEM `file` with authorities of gateways; reject clients without a certificate")
	return cmd, settings{daemon: s, engine: e}
}

func (s *daemon) serveData(cmd *cobra.Command, e *engineFlags, insecure bool) error {
	if err := s.check(cmd, e); err != nil {
		return err
	}
	var keys *auth.Keys // nil: gateways need no token
	switch token := s.getenv("KV_SERVICE_TOKEN"); {
	case token != "":
		keys = auth.Single("gateway", token)
	case s.clientCA == "" && s.beyondLoopback() && !insecure:
		return usageError{fmt.Errorf(
			"refusing to listen on %s without authentication: set KV_SERVICE_TOKEN or --tls-client-ca, or allow it with --insecure", s.listen)}
	}
	engine, err := e.open(cmd.Context(), s)
	if err != nil {
		return err
	}
	limiter := e.limiter(s, keys)
	service := s.newService(e, engine, limiter)
	procedures := rpc.NewServer(service, rpc.Config{
		Checks: admission.NewChecks(keys, limiter), Ready: s.ready, Log: s.log,
		Interceptors: slices.Concat([]connect.ServerInterceptor{requestid.Take}, s.observed(), s.observedStore(engine)),
	})
	handler := rpc.Mount(procedures, s.valueSize, server.Probes(s.state, s.ready, http.NotFoundHandler()))
	return closing(service, engine, s.run(cmd.Context(), endpoint{handler: handler, procedures: procedures, ready: s.ready}))
}

// newService returns the service of engine, which samples its statistics: with Redis, by a call to each shard and an INFO of
// each node, and with etcd by two reads. Close it with [closing].
func (s *daemon) newService(e *engineFlags, engine store.Engine, limiter *admission.Limiter) *kvservice.Service {
	var keys *keystats.Recorder
	if e.keyStats {
		keys = keystats.New()
	}
	service := kvservice.New(engine, kvservice.Config{
		MaxValueBytes: s.valueSize, Stopping: s.state.Stopping(), Limiter: limiter, SampleEvery: 5 * time.Second, Keys: keys,
	})
	s.observeKeys(keys, service)
	return service
}

// ready reports whether the server should receive calls.
func (s *daemon) ready(context.Context) bool {
	_, loading := s.state.Loading()
	return s.state.Running() && !loading
}
