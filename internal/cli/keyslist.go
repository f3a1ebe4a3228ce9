package cli

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"key-value/internal/auth"
)

func newKeysList(getenv func(string) string) *cobra.Command {
	k, o := &keysFile{getenv: getenv}, &output{}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the keys in the file and their permissions",
		Long: `List the keys in the file and their permissions, without the keys themselves.
With -o json, each key is one line.`,
		Example: `  kv keys list --file keys.json
  kv keys list --file keys.json -o json | jq -r 'select(.state=="expired").id'`,
		RunE: func(cmd *cobra.Command, _ []string) error { return k.list(cmd, o) },
	}
	k.flags(cmd)
	o.flags(cmd, outputTable, outputJSON)
	return cmd
}

// keyJSON is a key as -o json lists it.
type keyJSON struct {
	ID                string      `json:"id"`
	State             string      `json:"state"` // active, revoked, expired or pending
	Created           time.Time   `json:"created,omitzero"`
	NotBefore         time.Time   `json:"notBefore,omitzero"`
	Expires           time.Time   `json:"expires,omitzero"`
	PreviousExpires   time.Time   `json:"previousExpires,omitzero"` // end of the grace period of the old key
	Grants            auth.Grants `json:"grants"`
	RequestsPerSecond float64     `json:"requestsPerSecond,omitzero"`
}

func newKeyJSON(r auth.Record, now time.Time) keyJSON {
	key := keyJSON{
		ID: r.ID, State: state(r, now), Created: r.Created, NotBefore: r.NotBefore, Expires: r.Expires, Grants: r.Grants,
		RequestsPerSecond: r.RequestsPerSecond,
	}
	if r.Previous != nil {
		key.PreviousExpires = r.Previous.Expires
	}
	return key
}

// state returns whether a key is valid now or why not: active, revoked, expired or pending.
func state(r auth.Record, now time.Time) string {
	switch {
	case r.Status == auth.Revoked:
		return "revoked"
	case !r.Expires.IsZero() && !now.Before(r.Expires):
		return "expired"
	case now.Before(r.NotBefore):
		return "pending"
	}
	return "active"
}

// untilExpiry returns how long a key has left, zero if it never expires. It is negative for one that has expired.
func untilExpiry(r auth.Record, now time.Time) time.Duration {
	if r.Expires.IsZero() {
		return 0
	}
	return r.Expires.Sub(now)
}

func (k *keysFile) list(cmd *cobra.Command, o *output) error {
	f, err := auth.ReadFile(k.path)
	if err != nil {
		return err
	}
	now, out := time.Now(), cmd.OutOrStdout()
	if o.format == outputJSON {
		for _, r := range f.Keys {
			if err := printJSON(out, newKeyJSON(r, now)); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSTATE\tEXPIRES IN\tRPS\tMAY")
	for _, r := range f.Keys {
		rps := "no limit"
		if r.RequestsPerSecond != 0 {
			rps = fmt.Sprint(r.RequestsPerSecond)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.ID, state(r, now), ttlLeft(untilExpiry(r, now)), rps, may(r.Grants))
	}
	return w.Flush()
}

// describe returns the permissions and limits of a key as the end of a sentence: what it may do.
func describe(r auth.Record) string {
	text := may(r.Grants)
	if !r.Expires.IsZero() {
		text += ", until " + r.Expires.Format(time.RFC3339)
	}
	if r.RequestsPerSecond != 0 {
		text += fmt.Sprintf(", at %v requests per second", r.RequestsPerSecond)
	}
	return text
}

// may returns what grants allow, such as "read reports/*".
func may(grants auth.Grants) string {
	if len(grants) == 0 {
		return "nothing"
	}
	parts := make([]string, len(grants))
	for i, grant := range grants {
		ops, keys := grant.Ops.String(), shellWord(grant.Prefix+"*")
		if ops == "" {
			ops = "not use"
		}
		if grant.Prefix == "" {
			keys = "every key"
		}
		parts[i] = ops + " " + keys
	}
	return strings.Join(parts, ", ")
}
