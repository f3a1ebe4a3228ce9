package cli

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"key-value/client"
	"key-value/internal/contract"
)

// touchFlags are the flags of kv touch.
type touchFlags struct {
	conditionFlags
	output

	ttl     time.Duration
	persist bool
}

func newTouch(getenv func(string) string) *cobra.Command {
	c, f := &connection{getenv: getenv}, &touchFlags{}
	cmd := &cobra.Command{
		Use:   "touch KEY --ttl TTL | --persist",
		Short: "Change or remove the TTL of a key",
		Long:  "Change or remove the TTL of a key. The value stays the same; the etag changes.",
		Example: `  kv touch session --ttl 30m
  kv touch session --persist`,
		Args:              cobra.ExactArgs(1),
		RunE:              func(cmd *cobra.Command, args []string) error { return c.touch(cmd, f, args[0]) },
		ValidArgsFunction: c.completeKey(1),
	}
	c.flags(cmd)
	writing(cmd)
	ttlVar(cmd.Flags(), &f.ttl, 0, contract.MaxTTL, "87600h", "new time to live, from now, such as 90s, 24h or 7d")
	cmd.Flags().BoolVar(&f.persist, "persist", false, "remove the TTL, so that the entry never expires")
	f.matchFlag(cmd)
	f.output.flags(cmd, outputNone, outputJSON)
	return cmd
}

func (c *connection) touch(cmd *cobra.Command, f *touchFlags, key string) error {
	if err := exclusive(cmd, "ttl", "persist"); err != nil {
		return err
	}
	if !f.persist && !cmd.Flags().Changed("ttl") {
		return usageError{errors.New("missing TTL: use --ttl TTL to set it or --persist to remove it")}
	}
	var options []client.TouchOption
	if !f.persist {
		options = append(options, client.TTL(f.ttl))
	}
	conditions, err := f.conditions(cmd)
	if err != nil {
		return err
	}
	for _, condition := range conditions {
		options = append(options, condition)
	}
	ctx, cancel, kv, err := c.open(cmd.Context())
	if err != nil {
		return err
	}
	defer cancel()
	entry, err := kv.Touch(ctx, key, options...)
	if err != nil || f.format == outputNone {
		return err
	}
	return printJSON(cmd.OutOrStdout(), touchJSON{withoutValue(entry)})
}

// touchJSON is the result of a touch, in the JSON of TouchResponse.
type touchJSON struct {
	Entry *entryJSON `json:"entry"`
}
