package cli

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"connectrpc.com/connect/v2"
	"github.com/spf13/cobra"

	"key-value/internal/admission"
	"key-value/internal/auth"
	"key-value/internal/observe/requestid"
	"key-value/internal/server"
	"key-value/internal/server/rpc"
	"key-value/kvservice"
)

func newKVService(getenv func(string) string) *cobra.Command {
	s, e, insecure := newDaemon(getenv), &engineFlags{}, false
	cmd := &cobra.Command{
		Use:   "kvservice",
		Short: "Run the service that holds the data",
		Long: `Runs the service that holds the data, for gateways to call over HTTP/2.

Environment: KV_SERVICE_TOKEN is what a gateway must show, as Authorization: Bearer. Without it, and without
--tls-client-ca, the service listens on loopback only, unless --insecure is given. KV_REDIS_USERNAME and
KV_REDIS_PASSWORD are for a store in Redis.`,
		Example: "  KV_SERVICE_TOKEN=… kv kvservice --listen 0.0.0.0:50051",
		Args:    cobra.NoArgs,
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return s.serveData(cmd, e, insecure) }
	s.flags(cmd, "127.0.0.1:50051")
	e.flags(cmd)
	cmd.Flags().BoolVar(&insecure, "insecure", false, "listen beyond loopback although nobody has to show a token or a certificate")
	cmd.Flags().StringVar(&s.clientCA, "tls-client-ca", "", "file with the authorities of gateways' certificates, in PEM; who does not show one is not let in")
	return cmd
}

func (s *daemon) serveData(cmd *cobra.Command, e *engineFlags, insecure bool) error {
	if err := s.check(cmd); err != nil {
		return err
	}
	var keys *auth.Keys // nil: gateways need no token
	switch token := s.getenv("KV_SERVICE_TOKEN"); {
	case token != "":
		keys = auth.Single("gateway", token)
	case s.clientCA == "" && s.beyondLoopback() && !insecure:
		return usageError{errors.New("set KV_SERVICE_TOKEN, or --tls-client-ca, to listen on " + s.listen +
			", where others can reach the data, or say --insecure")}
	}
	engine, err := e.open(cmd.Context(), s)
	if err != nil {
		return err
	}
	limiter := e.limiter(s.calls)
	service := kvservice.New(engine, kvservice.Config{MaxValueBytes: s.valueSize, Stopping: s.state.Stopping(), Limiter: limiter})
	procedures := rpc.NewServer(service, rpc.Config{
		Checks: admission.NewChecks(keys, limiter), Ready: s.ready, Log: s.log,
		Interceptors: slices.Concat([]connect.ServerInterceptor{requestid.Take}, s.observed(), s.observedStore(engine)),
	})
	handler := rpc.Mount(procedures, s.valueSize, server.Probes(s.state, s.ready, http.NotFoundHandler()))
	return closing(engine, s.run(cmd.Context(), handler, procedures, nil))
}

// ready reports whether the service should be sent work.
func (s *daemon) ready(context.Context) bool { return s.state.Running() }
