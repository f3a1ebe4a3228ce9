package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"key-value/client"
)

// setFlags are the flags of kv set.
type setFlags struct {
	conditionFlags
	output

	ttl        time.Duration
	keepTTL    bool
	allowEmpty bool
}

func newSet(getenv func(string) string) *cobra.Command {
	c, f := &connection{getenv: getenv}, &setFlags{}
	cmd := &cobra.Command{
		Use:     "set KEY [VALUE]",
		Aliases: []string{"put"},
		Short:   "Set the value of a key",
		Long: `Set the value of a key. If VALUE is missing or -, the value is read from
standard input, byte for byte. To store an empty value, pass '' or use
--allow-empty.

A VALUE may be a negative number. Put any other KEY or VALUE that may begin with
a dash after --, where - is a VALUE too.`,
		Example: `  kv set hello world
  kv set -- "$KEY" "$VALUE"
  kv set photo --ttl 24h < photo.jpg
  date | kv set started --create-only
  kv set hello again --if-match "$(kv get hello -o json | jq -r .etag)"`,
		Args:              cobra.RangeArgs(1, 2),
		RunE:              func(cmd *cobra.Command, args []string) error { return c.set(cmd, f, args) },
		ValidArgsFunction: c.completeKey(1),
	}
	c.flags(cmd)
	writing(cmd)
	optionalTTLVar(cmd.Flags(), &f.ttl, "time to live, such as 90s, 24h or 7d; 0: no expiry")
	cmd.Flags().BoolVar(&f.keepTTL, "keep-ttl", false, "leave an existing entry the TTL that it has")
	cmd.Flags().BoolVar(&f.allowEmpty, "allow-empty", false, "accept an empty standard input as an empty value")
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
	if err := exclusive(cmd, "ttl", "keep-ttl"); err != nil {
		return err
	}
	if f.keepTTL {
		options = append(options, client.KeepTTL())
	}
	value, err := f.value(cmd, args[1:])
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

// setJSON is the result of a set, in the JSON of SetResponse.
type setJSON struct {
	Entry   *entryJSON `json:"entry"`
	Created bool       `json:"created"`
}

// value returns the value in args, or all of standard input if there is none, or it is - and not after --.
func (f *setFlags) value(cmd *cobra.Command, args []string) ([]byte, error) {
	dash := cmd.ArgsLenAtDash() // how many arguments precede --; negative without it
	if len(args) != 0 && (args[0] != "-" || dash == 0 || dash == 1) {
		return []byte(args[0]), nil
	}
	promptFor(cmd, "the value")
	in := stdin(cmd)
	defer in.Close()
	value, err := io.ReadAll(in)
	if err != nil {
		return nil, fmt.Errorf("read value from standard input: %w", err)
	}
	if len(value) == 0 && !f.allowEmpty {
		return nil, usageError{errors.New("no value: standard input is empty; to store an empty value, pass '' or use --allow-empty")}
	}
	return value, nil
}

// conditionFlags are the preconditions of a write.
type conditionFlags struct {
	ifMatch    string
	ifExists   bool
	createOnly bool
}

func (f *conditionFlags) matchFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.ifMatch, "if-match", "", "fail unless the entry has this `ETAG`")
}

func (f *conditionFlags) existsFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.ifExists, "if-exists", false, "fail unless the key exists")
}

func (f *conditionFlags) createFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.createOnly, "create-only", false, "fail if the key already exists")
}

// conditions returns the precondition that the flags set, at most one.
func (f *conditionFlags) conditions(cmd *cobra.Command) ([]client.Condition, error) {
	if err := exclusive(cmd, "if-match", "if-exists", "create-only"); err != nil {
		return nil, err
	}
	switch {
	case cmd.Flags().Changed("if-match"): // also in quotes, as in an HTTP header
		return []client.Condition{client.IfMatch(strings.Trim(f.ifMatch, `"`))}, nil
	case f.ifExists:
		return []client.Condition{client.IfExists()}, nil
	case f.createOnly:
		return []client.Condition{client.IfAbsent()}, nil
	}
	return nil, nil
}

// exclusive rejects more than one of these flags.
func exclusive(cmd *cobra.Command, names ...string) error {
	var given []string
	for _, name := range names {
		if cmd.Flags().Changed(name) {
			given = append(given, "--"+name)
		}
	}
	if len(given) > 1 {
		return usageError{fmt.Errorf("%s are mutually exclusive: use one of them", strings.Join(given, " and "))}
	}
	return nil
}
