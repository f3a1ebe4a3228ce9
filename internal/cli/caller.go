package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"key-value/client"
)

func newCaller(getenv func(string) string) *cobra.Command {
	c, o := &connection{getenv: getenv}, &output{}
	cmd := &cobra.Command{
		Use:   "caller",
		Short: "Show what the API key in use is and allows",
		Long: `Show the id of the API key in use, when it expires, how many requests it may
make each second, and what it allows: of the prefixes that a key has, the
longest one decides. It says nothing of other API keys.`,
		Example: `  kv caller
  kv caller -o json | jq -r .id`,
		Args:              cobra.ExactArgs(0),
		RunE:              func(cmd *cobra.Command, _ []string) error { return c.caller(cmd, o) },
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	c.flags(cmd)
	o.flags(cmd, outputTable, outputJSON)
	return cmd
}

func (c *connection) caller(cmd *cobra.Command, o *output) error {
	ctx, cancel, kv, err := c.open(cmd.Context())
	if err != nil {
		return err
	}
	defer cancel()
	caller, err := kv.Caller(ctx)
	if err != nil {
		return err
	}
	if o.format == outputJSON {
		return printJSON(cmd.OutOrStdout(), newCallerJSON(caller))
	}
	return printCaller(cmd.OutOrStdout(), caller)
}

func printCaller(out io.Writer, caller client.Caller) error {
	expires, rate := "never", "no limit"
	if t := caller.ExpireTime; !t.IsZero() {
		expires = t.Local().Format(time.RFC3339)
	}
	if caller.Rate != 0 {
		rate = strconv.FormatFloat(caller.Rate, 'f', -1, 64) + "/s"
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "id\t%s\nexpires\t%s\nrate\t%s\n", caller.ID, expires, rate)
	for _, g := range caller.Grants {
		keys := "all keys"
		if g.Prefix != "" {
			keys = "keys with the prefix " + quoted(g.Prefix)
		}
		ops := "nothing"
		if len(g.Ops) != 0 {
			ops = strings.Join(g.Ops, ", ")
		}
		fmt.Fprintf(w, "%s\t%s\n", keys, ops)
	}
	return w.Flush()
}

// callerJSON has the members of the REST answer.
type callerJSON struct {
	ID         string      `json:"id"`
	Grants     []grantJSON `json:"grants"`
	ExpireTime time.Time   `json:"expireTime,omitzero"`
	Rate       float64     `json:"rate"`
}

type grantJSON struct {
	Prefix string   `json:"prefix"`
	Ops    []string `json:"ops"`
}

func newCallerJSON(caller client.Caller) callerJSON {
	described := callerJSON{ID: caller.ID, ExpireTime: caller.ExpireTime, Rate: caller.Rate}
	for _, g := range caller.Grants {
		described.Grants = append(described.Grants, grantJSON(g))
	}
	return described
}
