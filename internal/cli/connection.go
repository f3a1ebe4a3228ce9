package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"key-value/client"
)

// connection is the part that all client commands share: how they reach the store.
type connection struct {
	url     string
	context string        // name of a saved context; "" for the one in use
	apiKey  string        // "" for none
	timeout time.Duration // of one call, or of one page or batch of a command that makes many
	trust   trust
	getenv  func(string) string
	given   []*pflag.Flag // those of the command line that say how to connect
}

func (c *connection) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.url, "url", "http://127.0.0.1:8888", "URL of the store; host:port is one at http://")
	durationVar(cmd.Flags(), &c.timeout, "timeout", 10*time.Second, "timeout of each call, page or batch")
	c.trust.flags(cmd, "", "client-")
	c.contextFlag(cmd)
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return c.settle(cmd) }
	cmd.Long = cmp.Or(cmd.Long, cmd.Short+".") + "\n\nEnvironment:\n\n    KV_API_KEY  API key to send"
}

func (c *connection) contextFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.context, "context", "", "`NAME` of a saved context to connect to; see kv context")
	_ = cmd.RegisterFlagCompletionFunc("context", completeContext)
}

// isConnectionFlag reports whether [connection.flags] adds a flag with this name.
func isConnectionFlag(name string) bool {
	switch name {
	case "url", "timeout", "ca", "client-cert", "client-key", "context":
		return true
	}
	return false
}

// settle sets what the command line leaves open: from variables, then from a saved context. A context that a flag names
// comes before variables. No context is used if the URL is given: its API key is for its own URL.
func (c *connection) settle(cmd *cobra.Command) error {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if isConnectionFlag(f.Name) {
			c.given = append(c.given, f)
		}
	})
	given := cmd.Flags().Changed
	if given("context") && !given("url") {
		if err := c.connectTo(cmd, c.context); err != nil {
			return err
		}
	}
	if err := readVariables(cmd, c.getenv); err != nil {
		return err
	}
	if !given("url") {
		f, err := readContexts()
		if name := cmp.Or(c.context, f.Current); err == nil && name != "" {
			c.apiKey = c.getenv("KV_API_KEY")
			err = c.connectTo(cmd, name)
		}
		if err != nil {
			return err
		}
	}
	c.apiKey = cmp.Or(c.apiKey, c.getenv("KV_API_KEY"))
	return nil
}

// words returns the flags of the command line that say how to connect, for a command line that continues this one.
func (c *connection) words() []string {
	var words []string
	for _, f := range c.given {
		words = append(words, "--"+f.Name, shellWord(f.Value.String()))
	}
	return words
}

// variables returns the variables with which a kv that cmd runs connects as cmd does. Those of a context are not among them,
// because its API key is for its own URL: they name the context, and clear what would take precedence.
func (c *connection) variables(cmd *cobra.Command) []string {
	var variables []string
	named, url := false, false
	for _, f := range c.given {
		named, url = named || f.Name == "context", url || f.Name == "url"
		variables = append(variables, Variable(f)+"="+f.Value.String())
	}
	if named && !url {
		variables = append(variables, "KV_URL=")
		if cmd.Annotations[keyOfContext] != "" {
			variables = append(variables, "KV_API_KEY=")
		}
	}
	return variables
}

// keyOfContext is the annotation of a command that shows the API key of the context that it names.
const keyOfContext = "context"

// connectTo sets what is not set yet from a saved context.
func (c *connection) connectTo(cmd *cobra.Command, name string) error {
	f, err := readContexts()
	if err != nil {
		return err
	}
	saved, err := f.find(name)
	if err != nil {
		return err
	}
	for flag, value := range map[string]string{
		"url": saved.URL, "ca": saved.CA, "client-cert": saved.ClientCert, "client-key": saved.ClientKey,
	} {
		if value == "" || cmd.Flags().Changed(flag) {
			continue
		}
		if err := cmd.Flags().Set(flag, value); err != nil {
			return err
		}
	}
	if c.apiKey == "" && saved.APIKey != "" {
		c.apiKey = saved.APIKey
		if cmd.Annotations == nil {
			cmd.Annotations = map[string]string{}
		}
		cmd.Annotations[keyOfContext] = name
	}
	return nil
}

// dial returns a client of the store.
func (c *connection) dial() (*client.Client, error) {
	if c.timeout <= 0 {
		return nil, usageError{fmt.Errorf("invalid --timeout %v: want a duration over 0, such as 10s", c.timeout)}
	}
	u, err := serviceURL(c.url)
	if err != nil {
		return nil, err
	}
	config, err := c.trust.open(u)
	if err != nil {
		return nil, err
	}
	// The limit of the server is not known here: whatever it may be set to is read.
	options := []client.Option{client.WithTLS(config), client.WithMaxValueBytes(maxValueBytes)}
	if c.apiKey != "" {
		options = append(options, client.WithAPIKey(c.apiKey))
	}
	kv, err := client.New(u.String(), options...)
	return kv, asUsage(err)
}

// open returns a client, and a context with the timeout of one call. The returned function releases both.
func (c *connection) open(ctx context.Context) (context.Context, context.CancelFunc, *client.Client, error) {
	kv, err := c.dial()
	if err != nil {
		return nil, nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	return ctx, func() { cancel(); kv.Close() }, kv, nil
}

// errPageTimeout is why a command of many calls ends if one of them did not return in time.
var errPageTimeout = errors.New("timeout")

// patient ranges over a listing with the timeout applied to each page rather than to all of it. Time spent in the loop
// body does not count: it may be writing to a pager.
func (c *connection) patient(
	ctx context.Context, list func(context.Context) iter.Seq2[client.Entry, error],
) iter.Seq2[client.Entry, error] {
	return func(yield func(client.Entry, error) bool) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		timer := time.AfterFunc(c.timeout, func() { cancel(errPageTimeout) })
		defer timer.Stop()
		for entry, err := range list(ctx) {
			timer.Stop()
			if !yield(entry, c.timedOut(ctx, err)) {
				return
			}
			timer.Reset(c.timeout)
		}
	}
}

// timedOut returns the error of a call that failed with err, and for which ctx may have ended by errPageTimeout.
func (c *connection) timedOut(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), errPageTimeout) {
		return fmt.Errorf("no answer within %v: %w", c.timeout, client.ErrUnavailable)
	}
	return err
}

const (
	// completionTimeout is how long completion may keep a person waiting.
	completionTimeout = 700 * time.Millisecond
	// completions is the maximum number of keys that completion offers.
	completions = 200
)

// completeKey completes up to n arguments with keys of the store.
func (c *connection) completeKey(n int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= n {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return c.matchingKeys(cmd, word), cobra.ShellCompDirectiveNoFileComp
	}
}

// completePrefix completes one argument with keys, and leaves the cursor after it: a prefix need not be a whole key.
func (c *connection) completePrefix(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	keys, directive := c.completeKey(1)(cmd, args, word)
	return keys, directive | cobra.ShellCompDirectiveNoSpace
}

// matchingKeys returns keys with the given prefix, except those that a terminal does not show as they are. Errors yield no
// keys: a message would end up in the command line that is being edited.
func (c *connection) matchingKeys(cmd *cobra.Command, prefix string) []string {
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
		if escape(entry.Key) == entry.Key {
			keys = append(keys, entry.Key)
		}
	}
	return keys
}
