package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"key-value/client"
	"key-value/internal/contract"
)

func newExists(getenv func(string) string) *cobra.Command {
	c := &connection{getenv: getenv}
	cmd := &cobra.Command{
		Use:   "exists KEY...",
		Short: "Check whether keys exist",
		Long: `Check whether all of the keys exist: the exit code is 0 if they do, and 3 if one
does not.`,
		Example: `  kv exists config || kv set config default
  kv exists host port`,
		Args:              cobra.MinimumNArgs(1),
		RunE:              func(cmd *cobra.Command, keys []string) error { return c.exists(cmd, keys) },
		ValidArgsFunction: c.completeKey(contract.MaxOperations),
	}
	c.flags(cmd)
	return cmd
}

func (c *connection) exists(cmd *cobra.Command, keys []string) error {
	kv, err := c.dial()
	if err != nil {
		return err
	}
	defer kv.Close()
	for _, key := range keys {
		if _, err := c.head(cmd.Context(), kv, key); err != nil {
			return err
		}
	}
	return nil
}

// head returns an entry without its value, which may be long.
func (c *connection) head(ctx context.Context, kv *client.Client, key string) (client.Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	only := client.Range(key, key+" ") // no character of a key is less than a space
	for entry, err := range kv.List(ctx, key, only, client.KeysOnly(), client.PageSize(1)) {
		switch {
		case err == nil && entry.Key == key:
			return entry, nil
		case err != nil && !errors.Is(err, client.ErrInvalid): // such as a key whose range is too long
			return client.Entry{}, err
		}
		break
	}
	return kv.Get(ctx, key) // which says what is wrong with the key, and has no value to send if there is none
}

func newTTL(getenv func(string) string) *cobra.Command {
	c, o := &connection{getenv: getenv}, &output{}
	cmd := &cobra.Command{
		Use:   "ttl KEY",
		Short: "Print how long a key has left to live",
		Long: `Print how long a key has left to live, rounded up to a second, as --ttl of other
commands takes it, or "never" if it does not expire. kv touch changes it.`,
		Example: `  kv ttl session
  kv ttl session -o json | jq -r .expireTime`,
		Args:              cobra.ExactArgs(1),
		RunE:              func(cmd *cobra.Command, args []string) error { return c.ttl(cmd, o, args[0]) },
		ValidArgsFunction: c.completeKey(1),
	}
	c.flags(cmd)
	o.flags(cmd, outputRaw, outputJSON)
	return cmd
}

func (c *connection) ttl(cmd *cobra.Command, o *output, key string) error {
	kv, err := c.dial()
	if err != nil {
		return err
	}
	defer kv.Close()
	entry, err := c.head(cmd.Context(), kv, key)
	if err != nil {
		return err
	}
	if o.format == outputJSON {
		return printJSON(cmd.OutOrStdout(), withoutValue(entry))
	}
	if entry.TTL == 0 {
		return printLine(cmd.OutOrStdout(), "never")
	}
	up := (entry.TTL + time.Second - 1).Truncate(time.Second) // never 0, which --ttl takes for no expiry
	return printLine(cmd.OutOrStdout(), up.String())
}
