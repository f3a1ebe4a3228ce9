package cli

import (
	"fmt"
	"io"
	"net"

	"github.com/spf13/cobra"

	"key-value/gateway"
	"key-value/internal/auth"
	"key-value/internal/hop"
	"key-value/internal/server/rpc"
)

func newServe(getenv func(string) string) *cobra.Command {
	cmd, _ := serveCommand(getenv)
	return cmd
}

func serveCommand(getenv func(string) string) (*cobra.Command, settings) {
	s, g, e := newDaemon(getenv), &gatewayFlags{}, &engineFlags{}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the gateway and the kvservice in one process",
		Long: `Run the gateway and the kvservice in one process, with no network between them.

By default, --watch-history is 1/64 of --memory-limit, of which changes older
than 30 s take up to 8MiB. If --max-memory is set, it is 8MiB, but at most an
eighth of that. With Redis or etcd, it is 64MiB.

Environment:

    KV_API_KEY         API key with all permissions, in addition to those in
                       --api-keys-file; if neither is set, one is generated
                       and printed
    KV_REDIS_USERNAME  user name for a Redis store
    KV_REDIS_PASSWORD  password for a Redis store
    KV_ETCD_USERNAME   user name for an etcd store
    KV_ETCD_PASSWORD   password for an etcd store`,
		Example: "  KV_API_KEY=my-secret-key kv serve",
		Args:    cobra.ExactArgs(0),
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return s.serveBoth(cmd, g, e) }
	s.flags(cmd, "127.0.0.1:8888")
	g.flags(cmd)
	e.flags(cmd)
	return cmd, settings{daemon: s, gateway: g, engine: e}
}

func (s *daemon) serveBoth(cmd *cobra.Command, g *gatewayFlags, e *engineFlags) error {
	if err := s.check(cmd, e); err != nil {
		return err
	}
	key := s.getenv("KV_API_KEY")
	started := func(addr string) { s.announce(cmd.OutOrStdout(), s.url(addr)) }
	if key == "" && g.file == "" {
		key = auth.Generate("default")
		started = func(addr string) { introduce(cmd.OutOrStdout(), s.url(addr), key) }
	}
	keys, stop, err := g.open(s, key)
	if err != nil {
		return err
	}
	defer stop()
	engine, err := e.open(cmd.Context(), s)
	if err != nil {
		return err
	}
	limiter := e.limiter(s, keys)
	service := s.newService(e, engine, limiter)
	procedures := rpc.NewServer(service, rpc.Config{Ready: s.ready, Log: s.log, Interceptors: s.inside(engine)})
	served := gateway.New(hop.NewClient(rpc.InProcess(procedures), hop.Config{Log: s.log}), g.config(s, keys, limiter))
	return closing(service, engine, s.run(cmd.Context(), endpoint{served, served.RPC, served.Ready, started, g.proxies.Proxies}))
}

// url returns the URL, on this machine, of a server that listens on addr.
func (s *daemon) url(addr string) string {
	if host, port, err := net.SplitHostPort(addr); err == nil && net.ParseIP(host).IsUnspecified() {
		addr = net.JoinHostPort("localhost", port)
	}
	if s.tls != nil {
		return "https://" + addr
	}
	return "http://" + addr
}

// announce says where the server is reached: to a person on a terminal, else to the log.
func (s *daemon) announce(out io.Writer, url string) {
	try := fmt.Sprintf(`curl %s/v1/values -H "x-api-key: $KV_API_KEY"`, url)
	if !isTerminal(out) {
		s.log.Info("serving", "url", url, "console", url+"/", "try", try)
		return
	}
	fmt.Fprintf(out, `The store is at %s. Try it, with KV_API_KEY set to an API key:

    %s

Or open %s/ in a browser for the console.

`, url, try, url)
}

// introduce prints the generated key of the server at url, and commands to try it.
func introduce(out io.Writer, url, key string) {
	fmt.Fprintf(out, `No API keys are configured. This one was generated and is valid until the server stops:

    %s

Try it:

    curl -X PUT %s/v1/values -H "Content-Type: application/json" -H "x-api-key: %s" -d '{"key": "hello", "value": "world"}'
    curl %s/v1/values/hello -H "x-api-key: %s"

Or open %s in a browser.

`, key, url, key, url, key, url)
}
