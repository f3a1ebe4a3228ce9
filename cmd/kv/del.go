package main

import "github.com/spf13/cobra"

func newDel(getenv func(string) string) *cobra.Command {
	c := &connection{getenv: getenv}
	cmd := &cobra.Command{
		Use:     "del KEY",
		Short:   "Delete a key; it is no error if it is not there",
		Example: "  kv del hello",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return c.del(cmd, args[0]) },
	}
	c.flags(cmd)
	return cmd
}

func (c *connection) del(cmd *cobra.Command, key string) error {
	ctx, cancel, kv, err := c.open(cmd.Context())
	if err != nil {
		return err
	}
	defer cancel()
	_, err = kv.Delete(ctx, key)
	return err
}
