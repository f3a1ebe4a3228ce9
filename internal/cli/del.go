package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"key-value/client"
	"key-value/internal/contract"
)

func newDel(getenv func(string) string) *cobra.Command {
	c, f, r, o := &connection{getenv: getenv}, &conditionFlags{}, &rangeFlags{}, &output{}
	cmd := &cobra.Command{
		Use:     "del KEY... | --prefix PREFIX",
		Aliases: []string{"rm", "delete"},
		Short:   "Delete keys",
		Long: `Delete keys, or all keys that begin with PREFIX. Deleting a key that does not
exist succeeds.

With --prefix, the keys are counted first. On a terminal, kv asks whether to
delete them; anywhere else, nothing is deleted without --yes. The keys are
deleted in parts, of which other clients see some before others. When it is
interrupted, kv prints how many are gone; run it again to delete the rest.

All keys of the store are deleted with --all in place of --prefix.`,
		Example: `  kv del hello
  kv del hello --if-exists
  kv del --prefix tmp/ --dry-run
  kv del --prefix tmp/ --yes
  kv ls -0 tmp/ | xargs -r0 kv del --`,
		Args: r.args,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := r.check(cmd, args); err != nil {
				return err
			}
			if r.given(cmd) {
				return c.delRange(cmd, r, o)
			}
			return c.del(cmd, f, o, args)
		},
		ValidArgsFunction: c.completeKey(contract.MaxOperations),
	}
	c.flags(cmd)
	writing(cmd)
	r.flags(cmd, c)
	f.matchFlag(cmd)
	f.existsFlag(cmd)
	o.flags(cmd, outputNone, outputJSON)
	return cmd
}

// deleteJSON is the result for one key.
type deleteJSON struct {
	Key string `json:"key"`
	deletedJSON
}

func (c *connection) del(cmd *cobra.Command, f *conditionFlags, o *output, keys []string) error {
	conditions, err := f.conditions(cmd)
	if err != nil {
		return err
	}
	kv, err := c.dial()
	if err != nil {
		return err
	}
	defer kv.Close()
	var failed failures
	for some := range slices.Chunk(keys, contract.MaxOperations) {
		results, err := c.deleteSome(cmd.Context(), kv, some, conditions)
		if err != nil {
			return err
		}
		for i, result := range results {
			failed.add(result.Err)
			if result.Err == nil && o.format == outputJSON {
				if err := printJSON(cmd.OutOrStdout(), deleteJSON{some[i], deletedJSON{result.Deleted, result.Revision}}); err != nil {
					return err
				}
			}
		}
	}
	return failed.err()
}

func (c *connection) deleteSome(
	ctx context.Context, kv *client.Client, keys []string, conditions []client.Condition,
) ([]client.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	ops := make([]client.Operation, len(keys))
	for i, key := range keys {
		ops[i] = client.OpDelete(key, conditions...)
	}
	return kv.Batch(ctx, ops...)
}
