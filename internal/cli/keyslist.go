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
		Short: "List the keys of the file, and what each may do",
		Long: `List the keys of the file, and what each may do. The keys themselves are not in it. As json, it is one key a
line.`,
		Example: `  kv keys list --file keys.json
  kv keys list --file keys.json -o json | jq -r 'select(.state == "expired") | .id'`,
		RunE: func(cmd *cobra.Command, _ []string) error { return k.list(cmd, o) },
	}
	k.flags(cmd)
	o.flags(cmd, outputTable, outputJSON)
	return cmd
}

// keyJSON is a key as it is listed.
type keyJSON struct {
	ID                string      `json:"id"`
	State             string      `json:"state"` // active, revoked, expired or pending
	Created           time.Time   `json:"created,omitzero"`
	NotBefore         time.Time   `json:"notBefore,omitzero"`
	Expires           time.Time   `json:"expires,omitzero"`
	PreviousExpires   time.Time   `json:"previousExpires,omitzero"` // of the key before it was rotated
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

// state says whether a key is valid now, and why not.
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
		rps := "any"
		if r.RequestsPerSecond != 0 {
			rps = fmt.Sprint(r.RequestsPerSecond)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.ID, state(r, now), ttlLeft(r.Expires), rps, may(r.Grants))
	}
	return w.Flush()
}

// describe says in a sentence what a key is good for.
func describe(r auth.Record) string {
	text := "may " + may(r.Grants)
	if !r.Expires.IsZero() {
		text += ", until " + r.Expires.Format(time.RFC3339)
	}
	if r.RequestsPerSecond != 0 {
		text += fmt.Sprintf(", %v times a second", r.RequestsPerSecond)
	}
	return text
}

// may says what grants allow.
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
