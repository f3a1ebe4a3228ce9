package cli

import (
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

func newHealthcheck() *cobra.Command {
	timeout, t := time.Duration(0), &trust{}
	cmd := &cobra.Command{
		Use:     "healthcheck [URL]",
		Short:   "Ask a gateway or a kvservice whether it is ready, for images without a shell",
		Example: "  kv healthcheck\n  kv healthcheck http://127.0.0.1:50051\n  kv healthcheck --ca ca.pem https://localhost:8888",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return healthcheck(cmd, append(args, "http://127.0.0.1:8888")[0], timeout, t)
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 3*time.Second, "how long the answer may take")
	t.flags(cmd, "", "client-")
	return cmd
}

func healthcheck(cmd *cobra.Command, url string, timeout time.Duration, t *trust) error {
	req, err := http.NewRequestWithContext(cmd.Context(), http.MethodGet, url+"/readyz", http.NoBody)
	if err != nil {
		return usageError{err}
	}
	config, err := t.open(req.URL)
	if err != nil {
		return err
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: config}
	res, err := (&http.Client{Timeout: timeout, Transport: transport}).Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s is not ready: %s", url, res.Status)
	}
	return nil
}
