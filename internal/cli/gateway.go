package cli

import (
	"runtime"

	"github.com/spf13/cobra"

	"key-value/gateway"
	"key-value/internal/admission"
	"key-value/internal/auth"
)

// largePerProcessor is how many large calls a gateway makes at a time for each of its processors: some wait for the service,
// while others are turned into JSON. More would wait at the service for what they can be refused here.
const largePerProcessor = 8

// gatewayFlags are what a gateway has of its own, in one process or two.
type gatewayFlags struct {
	keyFlags

	origins []string // web origins whose pages may call
}

func (g *gatewayFlags) flags(cmd *cobra.Command) {
	g.keyFlags.flags(cmd)
	cmd.Flags().StringSliceVar(&g.origins, "cors-origins", nil,
		"web origins whose pages may call, such as https://example.com, separated by commas; * for all")
}

func (g *gatewayFlags) config(s *daemon, keys *auth.Keys, limiter *admission.Limiter) gateway.Config {
	return gateway.Config{
		Keys: keys, Origins: g.origins, MaxValueBytes: s.valueSize, State: s.state, Log: s.log,
		Interceptors: s.observed(), Observer: s.observer(), Limiter: limiter,
	}
}

func newGateway(getenv func(string) string) *cobra.Command {
	s, g, h := newDaemon(getenv), &gatewayFlags{}, &hopFlags{}
	cmd := &cobra.Command{
		Use:   "gateway",
		Short: "Run the gateway in front of a kvservice",
		Long: `Runs the gateway: REST, Connect, gRPC and gRPC-Web in front of a kvservice. It holds no data.

Environment: KV_API_KEY is an API key with all rights, beside those of --api-keys-file; one of the two must be
set. KV_SERVICE_TOKEN is what the gateway shows the kvservice; --service-cert and --service-key are the
alternative.`,
		Example: "  KV_API_KEY=my-secret-key kv gateway --service http://127.0.0.1:50051\n" +
			"  KV_API_KEY=my-secret-key kv gateway --service https://127.0.0.1:50051 --service-ca ca.pem --service-cert gateway.pem --service-key gateway.key",
		Args: cobra.NoArgs,
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return s.serveGateway(cmd, g, h) }
	s.flags(cmd, "127.0.0.1:8888")
	g.flags(cmd)
	h.flags(cmd)
	return cmd
}

func (s *daemon) serveGateway(cmd *cobra.Command, g *gatewayFlags, h *hopFlags) error {
	if err := s.check(cmd); err != nil {
		return err
	}
	keys, stop, err := g.open(s, s.getenv("KV_API_KEY"))
	if err != nil {
		return err
	}
	defer stop()
	limiter := admission.New(admission.Config{Calls: s.calls, Large: largePerProcessor * runtime.GOMAXPROCS(0)})
	client, wait, err := s.dial(h, limiter)
	if err != nil {
		return err
	}
	defer wait()
	served := gateway.New(client, g.config(s, keys, limiter))
	return s.run(cmd.Context(), served, served.RPC, nil)
}
