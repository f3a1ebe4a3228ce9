package cli

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"key-value/gateway"
	"key-value/internal/admission"
	"key-value/internal/auth"
)

// largePerProcessor is the number of concurrent large calls per processor of a gateway: some wait for the kvservice while
// others are encoded as JSON. More would only queue there, where rejecting them costs more.
const largePerProcessor = 8

// gatewayFlags are the flags of a gateway, whether its kvservice is in the same process or another.
type gatewayFlags struct {
	keyFlags

	origins []string // allowed web origins
	proxies networks // those of trusted proxies
}

func (g *gatewayFlags) flags(cmd *cobra.Command) {
	g.keyFlags.flags(cmd)
	cmd.Flags().StringSliceVar(&g.origins, "cors-origins", nil,
		"comma-separated web origins to allow, such as https://example.com; * for all")
	cmd.Flags().Var(&g.proxies, "trusted-proxies",
		"comma-separated `CIDRs` of proxies whose X-Forwarded-For is believed; empty: none")
}

func (g *gatewayFlags) config(s *daemon, keys *auth.Keys, limiter *admission.Limiter) gateway.Config {
	return gateway.Config{
		Keys: keys, Origins: g.origins, MaxValueBytes: s.valueSize, State: s.state, Log: s.log,
		Interceptors: s.observed(), Observer: s.observer(), Limiter: limiter,
	}
}

func newGateway(getenv func(string) string) *cobra.Command {
	cmd, _ := gatewayCommand(getenv)
	return cmd
}

func gatewayCommand(getenv func(string) string) (*cobra.Command, settings) {
	s, g, h := newDaemon(getenv), &gatewayFlags{}, &hopFlags{}
	cmd := &cobra.Command{
		Use:   "gateway",
		Short: "Run the gateway in front of a kvservice",
		Long: `Run the gateway, which serves REST, Connect, gRPC and gRPC-Web in front of a
kvservice. It holds no data.

It authenticates to the kvservice with KV_SERVICE_TOKEN, with a certificate
(--service-cert and --service-key), or with both.

Environment:

    KV_API_KEY        API key with all permissions, in addition to those in
                      --api-keys-file; one of the two must be set
    KV_SERVICE_TOKEN  bearer token to send to the kvservice`,
		Example: `  KV_API_KEY=my-secret-key kv gateway --service http://127.0.0.1:50051
  KV_API_KEY=my-secret-key kv gateway --service https://127.0.0.1:50051 \
    --service-ca ca.pem --service-cert gateway.pem --service-key gateway.key`,
		Args: cobra.ExactArgs(0),
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return s.serveGateway(cmd, g, h) }
	s.flags(cmd, "127.0.0.1:8888")
	g.flags(cmd)
	h.flags(cmd)
	return cmd, settings{daemon: s, gateway: g, hop: h}
}

func (s *daemon) serveGateway(cmd *cobra.Command, g *gatewayFlags, h *hopFlags) error {
	if err := s.check(cmd, nil); err != nil {
		return err
	}
	keys, stop, err := g.open(s, s.getenv("KV_API_KEY"))
	if err != nil {
		return err
	}
	defer stop()
	limiter := s.limiter(keys, largePerProcessor*runtime.GOMAXPROCS(0))
	client, closeClient, err := s.dial(h, limiter)
	if err != nil {
		return err
	}
	defer closeClient()
	served := gateway.New(client, g.config(s, keys, limiter))
	return s.run(cmd.Context(), endpoint{handler: served, procedures: served.RPC, ready: served.Ready, proxies: g.proxies.Proxies})
}

// keyFlags are the flags for the API keys that a gateway accepts.
type keyFlags struct {
	file     string // keys file; "" for none
	failures int    // invalid keys allowed per second and client address; 0 for no limit
}

func (f *keyFlags) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.file, "api-keys-file", "",
		"API keys `file`, written by kv keys, reloaded on change; empty: KV_API_KEY only")
	cmd.Flags().IntVar(&f.failures, "auth-failures", 100,
		"maximum invalid API keys per second from one client address; 0: no limit")
}

// open returns the accepted keys: secret, unless it is "", and those in the file. Stop ends the goroutine that follows
// the file.
func (f *keyFlags) open(s *daemon, secret string) (keys *auth.Keys, stop func(), err error) {
	if f.failures < 0 {
		return nil, nil, usageError{fmt.Errorf("invalid --auth-failures %d: want 0 (no limit) or more", f.failures)}
	}
	if secret == "" && f.file == "" {
		return nil, nil, usageError{errors.New(
			"no API keys: set KV_API_KEY or --api-keys-file")}
	}
	keys, err = auth.New(auth.Config{Secret: secret, File: f.file, FailuresPerSecond: f.failures, Log: s.log})
	if err != nil {
		return nil, nil, err
	}
	if s.metrics != nil {
		s.metrics.ForKeys(keys)
	}
	if f.file == "" {
		return keys, func() {}, nil
	}
	return keys, keys.Follow(), nil
}
