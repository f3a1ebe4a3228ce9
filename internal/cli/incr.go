package cli

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"key-value/client"
)

// incrFlags are the flags of kv incr.
type incrFlags struct {
	output

	initial int64
	ttl     time.Duration
}

func newIncr(getenv func(string) string) *cobra.Command {
	c, f := &connection{getenv: getenv}, &incrFlags{}
	cmd := &cobra.Command{
		Use:   "incr KEY [DELTA]",
		Short: "Add to an integer and print the sum",
		Long: `Add DELTA, by default 1, to the integer stored under a key, and print the sum.
A key that does not exist is created.`,
		Example: `  kv incr visits
  kv incr stock -3
  kv incr ticket --initial 1000
  kv incr attempts --ttl 15m`,
		Args:              cobra.RangeArgs(1, 2),
		RunE:              func(cmd *cobra.Command, args []string) error { return c.incr(cmd, f, args) },
		ValidArgsFunction: c.completeKey(1),
	}
	c.flags(cmd)
	writing(cmd)
	cmd.Flags().Int64Var(&f.initial, "initial", 0, "value to start from if the key does not exist")
	optionalTTLVar(cmd.Flags(), &f.ttl, "time to live if the key is created, such as 90s, 24h or 7d; 0: no expiry")
	f.output.flags(cmd, outputRaw, outputJSON)
	return cmd
}

func (c *connection) incr(cmd *cobra.Command, f *incrFlags, args []string) error {
	delta, err := strconv.ParseInt(append(args, "1")[1], 10, 64)
	if err != nil {
		return usageError{fmt.Errorf("invalid DELTA %q: want a 64-bit integer, such as 5 or -5", args[1])}
	}
	options := []client.IncrementOption{client.Initial(f.initial)}
	if f.ttl != 0 {
		options = append(options, client.TTL(f.ttl))
	}
	ctx, cancel, kv, err := c.open(cmd.Context())
	if err != nil {
		return err
	}
	defer cancel()
	sum, err := kv.Increment(ctx, args[0], delta, options...)
	if err != nil {
		return err
	}
	if f.format == outputJSON { // protobuf's JSON has 64-bit integers as strings
		return printJSON(cmd.OutOrStdout(), incrementJSON{Value: strconv.FormatInt(sum, 10)})
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), sum)
	return err
}

// incrementJSON is the result of an increment, in the JSON of IncrementResponse.
type incrementJSON struct {
	Value string     `json:"value"`
	Entry *entryJSON `json:"entry,omitzero"` // nil outside a batch: the client does not return it
}
