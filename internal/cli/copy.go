package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"key-value/client"
)

func newCp(getenv func(string) string) *cobra.Command {
	c, f := &connection{getenv: getenv}, &conditionFlags{}
	cmd := &cobra.Command{
		Use:   "cp SOURCE TARGET",
		Short: "Copy an entry to another key",
		Long: `Copy an entry to another key, with the TTL that it has left. An entry that the
target has is replaced.`,
		Example: `  kv cp config config.bak
  kv cp config config.bak --create-only`,
		Args:              cobra.ExactArgs(2),
		RunE:              func(cmd *cobra.Command, keys []string) error { return c.copy(cmd, f, keys[0], keys[1], copyEntry) },
		ValidArgsFunction: c.completeKey(2),
	}
	c.flags(cmd)
	writing(cmd)
	f.createFlag(cmd)
	return cmd
}

func newMv(getenv func(string) string) *cobra.Command {
	c, f := &connection{getenv: getenv}, &conditionFlags{}
	cmd := &cobra.Command{
		Use:   "mv SOURCE TARGET",
		Short: "Move an entry to another key",
		Long: `Move an entry to another key, with the TTL that it has left. An entry that the
target has is replaced.

The move is atomic if the engine can change both keys together: always in memory
and in etcd, and in Redis if the keys have the same hash tag. Otherwise the
entry is copied and then deleted, unless it has changed meanwhile.`,
		Example: `  kv mv draft/1 posts/1
  kv mv draft/1 posts/1 --create-only`,
		Args:              cobra.ExactArgs(2),
		RunE:              func(cmd *cobra.Command, keys []string) error { return c.copy(cmd, f, keys[0], keys[1], moveEntry) },
		ValidArgsFunction: c.completeKey(2),
	}
	c.flags(cmd)
	writing(cmd)
	f.createFlag(cmd)
	return cmd
}

// copying writes the entry that was read from its key to another key.
type copying func(ctx context.Context, kv *client.Client, entry client.Entry, to string, options []client.WriteOption) error

// copy reads the entry of a key and hands it to do, again if the entry changes in between.
func (c *connection) copy(cmd *cobra.Command, f *conditionFlags, from, to string, do copying) error {
	if from == to {
		return usageError{fmt.Errorf("source and target are the same key %s", quoted(from))}
	}
	conditions, err := f.conditions(cmd)
	if err != nil {
		return err
	}
	ctx, cancel, kv, err := c.open(cmd.Context())
	if err != nil {
		return err
	}
	defer cancel()
	for {
		entry, err := kv.Get(ctx, from)
		if err != nil {
			return err
		}
		var options []client.WriteOption
		for _, condition := range conditions {
			options = append(options, condition)
		}
		if entry.TTL != 0 {
			options = append(options, client.TTL(entry.TTL))
		}
		if err = do(ctx, kv, entry, to, options); err != errChanged {
			return err
		}
	}
}

// errChanged means that the entry has changed since it was read, and nothing was done.
var errChanged = errors.New("the entry has changed since it was read")

func copyEntry(ctx context.Context, kv *client.Client, entry client.Entry, to string, options []client.WriteOption) error {
	_, _, err := kv.Set(ctx, to, entry.Value, options...)
	return err
}

func moveEntry(ctx context.Context, kv *client.Client, entry client.Entry, to string, options []client.WriteOption) error {
	_, err := kv.AtomicBatch(ctx, client.OpSet(to, entry.Value, options...), client.OpDelete(entry.Key, client.IfMatch(entry.ETag)))
	switch {
	case errors.Is(err, client.ErrETagMismatch):
		return errChanged
	case errors.Is(err, client.ErrInvalid): // also because the keys cannot be changed together
		return moveInSteps(ctx, kv, entry, to, options)
	}
	return withoutIndex(err)
}

// moveInSteps copies the entry and deletes it. At no time is it under neither key.
func moveInSteps(ctx context.Context, kv *client.Client, entry client.Entry, to string, options []client.WriteOption) error {
	if err := copyEntry(ctx, kv, entry, to, options); err != nil {
		return err
	}
	if _, err := kv.Delete(ctx, entry.Key, client.IfMatch(entry.ETag)); err != nil {
		return fmt.Errorf("%s was copied to %s and not deleted: %w", quoted(entry.Key), quoted(to), err)
	}
	return nil
}
