package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"key-value/client"
)

func newSet(getenv func(string) string) *cobra.Command {
	c, ttl := &connection{getenv: getenv}, time.Duration(0)
	cmd := &cobra.Command{
		Use:     "set KEY [VALUE]",
		Short:   "Write the value of a key; without VALUE, from standard input",
		Example: "  kv set hello world\n  kv set --ttl 5m photo < photo.jpg",
		Args:    cobra.RangeArgs(1, 2),
		RunE:    func(cmd *cobra.Command, args []string) error { return c.set(cmd, args, ttl) },
	}
	c.flags(cmd)
	cmd.Flags().DurationVar(&ttl, "ttl", 0, "how long the entry lives, such as 90s or 5m; 0: for ever")
	return cmd
}

func (c *connection) set(cmd *cobra.Command, args []string, ttl time.Duration) error {
	value, err := valueOf(cmd.InOrStdin(), args[1:])
	if err != nil {
		return err
	}
	var options []client.WriteOption
	if ttl != 0 {
		options = append(options, client.TTL(ttl))
	}
	ctx, cancel, kv, err := c.open(cmd.Context())
	if err != nil {
		return err
	}
	defer cancel()
	_, _, err = kv.Set(ctx, args[0], value, options...)
	return err
}

// valueOf returns the value on the command line or, if there is none, all of in.
func valueOf(in io.Reader, args []string) ([]byte, error) {
	if len(args) != 0 {
		return []byte(args[0]), nil
	}
	value, err := io.ReadAll(in)
	if err != nil {
		return nil, fmt.Errorf("read the value: %w", err)
	}
	return value, nil
}
