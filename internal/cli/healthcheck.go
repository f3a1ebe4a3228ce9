package cli

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	neturl "net/url"
	"time"

	"github.com/spf13/cobra"
)

func newHealthcheck() *cobra.Command {
	url, timeout, t := "", time.Duration(0), &trust{}
	cmd := &cobra.Command{
		Use:   "healthcheck [URL]",
		Short: "Check whether a gateway or kvservice is ready",
		Long: `Check whether the gateway or kvservice at URL is ready, by default the one that
client commands use. The exit code is 0 if it is. This is for container images
without a shell.`,
		Example: "  kv healthcheck\n  kv healthcheck http://127.0.0.1:50051\n  kv healthcheck --ca ca.pem https://localhost:8888",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && cmd.Flags().Changed("url") {
				return errors.New("URL is given twice")
			}
			return cobra.MaximumNArgs(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return healthcheck(cmd, append(args, url)[0], timeout, t)
		},
	}
	cmd.Flags().StringVar(&url, "url", "http://127.0.0.1:8888", "URL to check, if it is not an argument")
	durationVar(cmd.Flags(), &timeout, "timeout", 3*time.Second, "timeout of the request")
	t.flags(cmd, "", "client-")
	return cmd
}

func healthcheck(cmd *cobra.Command, url string, timeout time.Duration, t *trust) error {
	u, err := serviceURL(url)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(cmd.Context(), http.MethodGet, u.JoinPath("readyz").String(), http.NoBody)
	if err != nil {
		return err
	}
	config, err := t.open(req.URL)
	if err != nil {
		return err
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: config}
	res, err := (&http.Client{Timeout: timeout, Transport: transport}).Do(req)
	if err != nil {
		return fmt.Errorf("%s is not ready: %w", url, cause(err))
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s is not ready: %s", url, res.Status)
	}
	return nil
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
