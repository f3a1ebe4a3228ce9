package main

import (
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

func newHealthcheck() *cobra.Command {
	timeout := time.Duration(0)
	cmd := &cobra.Command{
		Use:     "healthcheck [URL]",
		Short:   "Ask a gateway or a kvservice whether it is ready, for images without a shell",
		Example: "  kv healthcheck\n  kv healthcheck http://127.0.0.1:50051",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return healthcheck(cmd, append(args, "http://127.0.0.1:8888")[0], timeout)
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 3*time.Second, "how long the answer may take")
	return cmd
}

func healthcheck(cmd *cobra.Command, url string, timeout time.Duration) error {
	req, err := http.NewRequestWithContext(cmd.Context(), http.MethodGet, url+"/readyz", http.NoBody)
	if err != nil {
		return usageError{err}
	}
	res, err := (&http.Client{Timeout: timeout}).Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s is not ready: %s", url, res.Status)
	}
	return nil
}
