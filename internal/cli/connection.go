package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"key-value/client"
)

// connection is how the client commands reach the store.
type connection struct {
	url     string
	timeout time.Duration // of one call, or of one page or batch of a command that makes many
	trust   trust
	getenv  func(string) string
}

// connectionFlags are the names of its flags.
var connectionFlags = []string{"url", "timeout", "ca", "client-cert", "client-key"}

func (c *connection) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.url, "url", "http://127.0.0.1:8888", "where the store is")
	cmd.Flags().DurationVar(&c.timeout, "timeout", 10*time.Second, "how long to wait for an answer")
	c.trust.flags(cmd, "", "client-")
	cmd.Long = cmp.Or(cmd.Long, cmd.Short+".") + "\n\nEnvironment: KV_API_KEY is the API key to show."
}

// dial returns a client of the store.
func (c *connection) dial() (*client.Client, error) {
	if c.timeout <= 0 {
		return nil, usageError{fmt.Errorf("--timeout %v: use more than 0, such as 10s", c.timeout)}
	}
	u, err := url.Parse(c.url)
	if err != nil {
		return nil, usageError{err}
	}
	config, err := c.trust.open(u)
	if err != nil {
		return nil, err
	}
	options := []client.Option{client.WithTLS(config)}
	if key := c.getenv("KV_API_KEY"); key != "" {
		options = append(options, client.WithAPIKey(key))
	}
	kv, err := client.New(c.url, options...)
	return kv, asUsage(err)
}

// open returns a client, and a context for one call.
func (c *connection) open(ctx context.Context) (context.Context, context.CancelFunc, *client.Client, error) {
	kv, err := c.dial()
	if err != nil {
		return nil, nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	return ctx, func() { cancel(); kv.Close() }, kv, nil
}

// errSilent is why a listing ends that waited too long for its next page.
var errSilent = errors.New("silent")

// patient ranges over a listing for as long as it takes, if only each page comes within the timeout. The time that the
// loop itself takes does not count: it may write to a pager.
func (c *connection) patient(
	ctx context.Context, list func(context.Context) iter.Seq2[client.Entry, error],
) iter.Seq2[client.Entry, error] {
	return func(yield func(client.Entry, error) bool) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		timer := time.AfterFunc(c.timeout, func() { cancel(errSilent) })
		defer timer.Stop()
		for entry, err := range list(ctx) {
			timer.Stop()
			if err != nil && errors.Is(context.Cause(ctx), errSilent) {
				err = fmt.Errorf("no answer within %v: the store is %w", c.timeout, client.ErrUnavailable)
			}
			if !yield(entry, err) {
				return
			}
			timer.Reset(c.timeout)
		}
	}
}

const (
	// completionTimeout is how long a person waits for the Tab key.
	completionTimeout = 700 * time.Millisecond
	// completions is how many keys are offered at most.
	completions = 200
)

// completeKey completes up to n keys of the store.
func (c *connection) completeKey(n int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= n {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return c.liveKeys(cmd, word), cobra.ShellCompDirectiveNoFileComp
	}
}

// completePrefix completes one word that may end within a key.
func (c *connection) completePrefix(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	keys, directive := c.completeKey(1)(cmd, args, word)
	return keys, directive | cobra.ShellCompDirectiveNoSpace
}

// liveKeys returns keys that begin with prefix. What goes wrong is not told: it would be written into the line that is
// being typed.
func (c *connection) liveKeys(cmd *cobra.Command, prefix string) []string {
	if cmd.PreRunE(cmd, nil) != nil { // reads the environment
		return nil
	}
	kv, err := c.dial()
	if err != nil {
		return nil
	}
	defer kv.Close()
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
	defer cancel()
	var keys []string
	for entry, err := range kv.List(ctx, prefix, client.KeysOnly(), client.PageSize(completions)) {
		if err != nil || len(keys) == completions {
			break
		}
		keys = append(keys, entry.Key)
	}
	return keys
}
