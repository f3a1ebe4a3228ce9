package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"key-value/client"
)

// connection is how the client commands reach the store.
type connection struct {
	url     string
	timeout time.Duration
	getenv  func(string) string
}

func (c *connection) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.url, "url", "http://127.0.0.1:8888", "where the store is")
	cmd.Flags().DurationVar(&c.timeout, "timeout", 10*time.Second, "how long the command may take")
	cmd.Long = cmd.Short + ".\n\nEnvironment: KV_API_KEY is the API key to show."
}

// open returns a client, and a context that ends when the command's time is up.
func (c *connection) open(ctx context.Context) (context.Context, context.CancelFunc, *client.Client, error) {
	var options []client.Option
	if key := c.getenv("KV_API_KEY"); key != "" {
		options = append(options, client.WithAPIKey(key))
	}
	kv, err := client.New(c.url, options...)
	if err != nil {
		return nil, nil, nil, usageError{err}
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	return ctx, cancel, kv, nil
}
