package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"key-value/client"
)

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
