package main

import (
	"io"
	"os"

	"github.com/spf13/cobra"
)

func newGet(getenv func(string) string) *cobra.Command {
	c := &connection{getenv: getenv}
	cmd := &cobra.Command{
		Use:     "get KEY",
		Short:   "Print the value of a key",
		Example: "  kv get hello",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return c.get(cmd, args[0]) },
	}
	c.flags(cmd)
	return cmd
}

// get writes the value byte for byte, and a line break behind it only for a person to see it by.
func (c *connection) get(cmd *cobra.Command, key string) error {
	ctx, cancel, kv, err := c.open(cmd.Context())
	if err != nil {
		return err
	}
	defer cancel()
	entry, err := kv.Get(ctx, key)
	if err != nil {
		return err
	}
	value := entry.Value
	if isTerminal(cmd.OutOrStdout()) {
		value = append(value, '\n')
	}
	_, err = cmd.OutOrStdout().Write(value)
	return err
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
