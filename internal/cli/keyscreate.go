package cli

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"key-value/internal/auth"
)

// createFlags say what a new key may do.
type createFlags struct {
	id       string
	prefixes []string
	ops      []string
	expires  period
	rps      float64
}

func newKeysCreate(getenv func(string) string) *cobra.Command {
	k, f := &keysFile{getenv: getenv}, &createFlags{}
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make a key and print it, once",
		Long: `Make a key and print it: the key alone on standard output, what it is good for on standard error. It cannot be
shown again. A file that does not exist is made.`,
		Example: `  kv keys create --file keys.json --id admin
  kv keys create --file keys.json --id reports --prefix reports/ --prefix public/ --ops read --expires 90d --rps 50`,
		RunE: func(cmd *cobra.Command, _ []string) error { return k.create(cmd, f) },
	}
	k.flags(cmd)
	idFlag(cmd, &f.id)
	flags := cmd.Flags()
	flags.StringArrayVar(&f.prefixes, "prefix", nil,
		"what the keys of the store begin with that it may use, such as reports/; more than once for more; none: all keys")
	flags.StringSliceVar(&f.ops, "ops", []string{"read", "write"}, "what it may do there")
	flags.Var(&f.expires, "expires", "how long it is valid, such as 90d or 12h; 0: for ever")
	flags.Float64Var(&f.rps, "rps", 0, "how many requests it may make in a second; 0: any number")
	_ = cmd.RegisterFlagCompletionFunc("ops", cobra.FixedCompletions([]string{"read", "write", "read,write"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (k *keysFile) create(cmd *cobra.Command, f *createFlags) error {
	key := auth.Generate(f.id)
	r, err := f.record(key, time.Now())
	if err != nil {
		return err
	}
	if err := auth.EditFile(k.path, func(file *auth.File) error {
		if file.Find(f.id) != nil {
			return fmt.Errorf("there is a key %q in %s already: rotate or revoke it, or choose another id", f.id, k.path)
		}
		file.Keys = append(file.Keys, r)
		return nil
	}); err != nil {
		return err
	}
	return show(cmd, key, fmt.Sprintf("the key %q %s", f.id, describe(r)))
}

func (f *createFlags) record(key string, now time.Time) (auth.Record, error) {
	ops, err := auth.ParseOps(f.ops)
	switch {
	case !auth.ValidID(f.id):
		return auth.Record{}, badID(f.id)
	case err != nil:
		return auth.Record{}, usageError{fmt.Errorf("--ops: %w", err)}
	case ops == 0:
		return auth.Record{}, usageError{errors.New("--ops is empty: use read, write or read,write")}
	case f.rps < 0:
		return auth.Record{}, usageError{fmt.Errorf("--rps %v: use more than 0, or 0 for any number", f.rps)}
	}
	r := auth.Record{
		ID: f.id, SHA256: auth.HashOf(key), Status: auth.Active, Created: now.UTC().Truncate(time.Second),
		Expires: f.expires.after(now), RequestsPerSecond: f.rps,
	}
	if len(f.prefixes) == 0 {
		f.prefixes = []string{""}
	}
	slices.Sort(f.prefixes)
	for _, prefix := range slices.Compact(f.prefixes) {
		r.Grants = append(r.Grants, auth.Grant{Prefix: prefix, Ops: ops})
	}
	return r, nil
}
