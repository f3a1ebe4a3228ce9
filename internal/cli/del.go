package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"key-value/client"
	"key-value/internal/contract"
)

func newDel(getenv func(string) string) *cobra.Command {
	c, f, o := &connection{getenv: getenv}, &conditionFlags{}, &output{}
	cmd := &cobra.Command{
		Use:     "del KEY...",
		Aliases: []string{"rm", "delete"},
		Short:   "Delete keys",
		Long:    "Delete keys. Deleting a key that does not exist succeeds.",
		Example: `  kv del hello
  kv del hello --if-exists
  kv ls -0 tmp/ | xargs -r0 kv del --`,
		Args:              cobra.MinimumNArgs(1),
		RunE:              func(cmd *cobra.Command, args []string) error { return c.del(cmd, f, o, args) },
		ValidArgsFunction: c.completeKey(contract.MaxOperations),
	}
	c.flags(cmd)
	writing(cmd)
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
