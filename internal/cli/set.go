package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"key-value/client"
)

// setFlags say how a value is written.
type setFlags struct {
	conditionFlags
	output

	ttl time.Duration
}

func newSet(getenv func(string) string) *cobra.Command {
	c, f := &connection{getenv: getenv}, &setFlags{}
	cmd := &cobra.Command{
		Use:   "set KEY [VALUE]",
		Short: "Write the value of a key",
		Long:  "Write the value of a key. Without VALUE, or with -, it is read from standard input, byte for byte.",
		Example: `  kv set hello world
  kv set photo --ttl 24h < photo.jpg
  date | kv set started --create-only
  kv set hello again --if-match "$(kv get hello -o json | jq -r .etag)"`,
		Args:              cobra.RangeArgs(1, 2),
		RunE:              func(cmd *cobra.Command, args []string) error { return c.set(cmd, f, args) },
		ValidArgsFunction: c.completeKey(1),
	}
	c.flags(cmd)
	cmd.Flags().DurationVar(&f.ttl, "ttl", 0, "how long the entry lives, such as 90s, 5m or 24h; 0: for ever")
	f.matchFlag(cmd)
	f.existsFlag(cmd)
	f.createFlag(cmd)
	f.output.flags(cmd, outputNone, outputJSON)
	return cmd
}

func (c *connection) set(cmd *cobra.Command, f *setFlags, args []string) error {
	conditions, err := f.conditions(cmd)
	if err != nil {
		return err
	}
	var options []client.WriteOption
	for _, condition := range conditions {
		options = append(options, condition)
	}
	if f.ttl != 0 {
		options = append(options, client.TTL(f.ttl))
	}
	value, err := valueOf(cmd, args[1:])
	if err != nil {
		return err
	}
	ctx, cancel, kv, err := c.open(cmd.Context())
	if err != nil {
		return err
	}
	defer cancel()
	entry, created, err := kv.Set(ctx, args[0], value, options...)
	if err != nil || f.format == outputNone {
		return err
	}
	return printJSON(cmd.OutOrStdout(), setJSON{withoutValue(entry), created})
}

// setJSON is what became of a set, in the contract's JSON.
type setJSON struct {
	Entry   *entryJSON `json:"entry"`
	Created bool       `json:"created"`
}

// valueOf returns the value on the command line or, if there is none, all of standard input.
func valueOf(cmd *cobra.Command, args []string) ([]byte, error) {
	if len(args) != 0 && args[0] != "-" {
		return []byte(args[0]), nil
	}
	promptFor(cmd, "the value")
	in := stdin(cmd)
	defer in.Close()
	value, err := io.ReadAll(in)
	if err != nil {
		return nil, fmt.Errorf("read the value: %w", err)
	}
	return value, nil
}

// conditionFlags guard a write.
type conditionFlags struct {
	ifMatch    string
	ifExists   bool
	createOnly bool
}

func (f *conditionFlags) matchFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.ifMatch, "if-match", "", "only if the entry has this `ETAG`")
}

func (f *conditionFlags) existsFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.ifExists, "if-exists", false, "only if the key exists")
}

func (f *conditionFlags) createFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.createOnly, "create-only", false, "only if the key does not exist")
}

// conditions returns what the flags say: one condition at most.
func (f *conditionFlags) conditions(cmd *cobra.Command) ([]client.Condition, error) {
	if err := exclusive(cmd, "if-match", "if-exists", "create-only"); err != nil {
		return nil, err
	}
	switch {
	case cmd.Flags().Changed("if-match"): // in quotes, too, as an HTTP header has it
		return []client.Condition{client.IfMatch(strings.Trim(f.ifMatch, `"`))}, nil
	case f.ifExists:
		return []client.Condition{client.IfExists()}, nil
	case f.createOnly:
		return []client.Condition{client.IfAbsent()}, nil
	}
	return nil, nil
}

// exclusive refuses two of these flags at a time.
func exclusive(cmd *cobra.Command, names ...string) error {
	var given []string
	for _, name := range names {
		if cmd.Flags().Changed(name) {
			given = append(given, "--"+name)
		}
	}
	if len(given) > 1 {
		return usageError{fmt.Errorf("%s exclude each other: use one of them", strings.Join(given, " and "))}
	}
	return nil
}
