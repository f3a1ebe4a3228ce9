package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	neturl "net/url"
	"time"

	"github.com/spf13/cobra"
)

// Where the servers listen by default.
const (
	localGateway = "http://127.0.0.1:8888"
	localService = "http://127.0.0.1:50051"
)

func newHealthcheck(getenv func(string) string) *cobra.Command {
	c := &connection{getenv: getenv}
	var local bool
	cmd := &cobra.Command{
		Use:   "healthcheck [URL]",
		Short: "Check whether a gateway or kvservice is ready",
		Long: `Check whether the gateway or kvservice at URL is ready, by default the one that
client commands use, also by a context. The exit code is 0 if it is. This is for
container images without a shell.

With --local, it checks the server that runs here, at the default port of a
gateway or else of a kvservice. If another URL is set, it checks only that.`,
		Example: "  kv healthcheck\n  kv healthcheck http://127.0.0.1:50051\n  kv healthcheck --ca ca.pem https://localhost:8888",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && cmd.Flags().Changed("url") {
				return errors.New("URL is given twice")
			}
			return cobra.MaximumNArgs(1)(cmd, args)
		},
		PreRunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if err := cmd.Flags().Set("url", args[0]); err != nil {
					return err
				}
			}
			return c.settle(cmd)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := c.healthcheck(cmd)
			if err == nil || !local || c.url != localGateway {
				return err
			}
			c.url = localService
			if second := c.healthcheck(cmd); second != nil {
				return fmt.Errorf("%w; %w", err, second)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&c.url, "url", localGateway, "URL to check, if it is not an argument")
	cmd.Flags().BoolVar(&local, "local", false, "check the default port of a kvservice too, unless a URL is set")
	durationVar(cmd.Flags(), &c.timeout, "timeout", 3*time.Second, "timeout of the request")
	c.trust.flags(cmd, "", "client-")
	c.contextFlag(cmd)
	return cmd
}

func (c *connection) healthcheck(cmd *cobra.Command) error {
	res, err := c.probe(cmd.Context())
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s is not ready: %s", c.url, res.Status)
	}
	return nil
}

// probe returns the answer of /readyz, without its body.
func (c *connection) probe(ctx context.Context) (*http.Response, error) {
	u, err := serviceURL(c.url)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.JoinPath("readyz").String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	config, err := c.trust.open(req.URL)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, DisableKeepAlives: true}
	res, err := (&http.Client{Timeout: c.timeout, Transport: transport}).Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s is not ready: %w", c.url, cause(err))
	}
	return res, res.Body.Close()
}

// cause returns the error of the network in err, without what net/http adds, which differs from call to call.
func cause(err error) error {
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*neturl.Error](err); ok {
		return e.Err
	}
	return err
}
