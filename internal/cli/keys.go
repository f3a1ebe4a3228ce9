package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"key-value/internal/auth"
)

// keysFile is the file that the commands below kv keys read and write.
type keysFile struct {
	path   string
	getenv func(string) string
}

func newKeys(getenv func(string) string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make, list, rotate and revoke API keys",
		Long: `Make, list, rotate and revoke the API keys in a file, which a gateway reads with --api-keys-file.

The file holds hashes of the keys, and what each may do; a key itself is printed once, when it is made. The file
belongs to one user alone (mode 0600). A gateway that runs sees each change within two seconds.`,
		Example: `  kv keys create --file keys.json --id reports --prefix reports/ --ops read
  KV_API_KEYS_FILE=keys.json kv serve`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 0 {
				return usageError{fmt.Errorf("there is no command %q: kv help keys lists the commands", "keys "+args[0])}
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(newKeysCreate(getenv), newKeysList(getenv), newKeysRotate(getenv), newKeysRevoke(getenv))
	return cmd
}

// flags adds the flag that names the file to cmd, which takes no arguments. Its variable is the gateway's.
func (k *keysFile) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&k.path, "file", "", "the keys `FILE` [KV_API_KEYS_FILE]")
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	cmd.Args = func(cmd *cobra.Command, args []string) error { return asUsage(cobra.NoArgs(cmd, args)) }
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if k.path == "" {
			k.path = k.getenv("KV_API_KEYS_FILE")
		}
		if k.path == "" {
			return usageError{errors.New("which file? Use --file FILE, or the variable KV_API_KEYS_FILE")}
		}
		return nil
	}
}

// idFlag adds the flag that names a key of the file.
func idFlag(cmd *cobra.Command, id *string) {
	cmd.Flags().StringVar(id, "id", "", "the key's `ID`: 1 to 32 of a-z, 0-9 and -")
}

// edit changes the key that has the id.
func (k *keysFile) edit(id string, change func(*auth.Record) error) error {
	if !auth.ValidID(id) {
		return badID(id)
	}
	if _, err := auth.ReadFile(k.path); err != nil { // EditFile would make one
		return err
	}
	return auth.EditFile(k.path, func(f *auth.File) error {
		r := f.Find(id)
		if r == nil {
			return fmt.Errorf("there is no key %q in %s", id, k.path)
		}
		return change(r)
	})
}

func badID(id string) error {
	return usageError{fmt.Errorf("--id %q: use 1 to 32 of a-z, 0-9 and -, and do not begin with -", id)}
}

// show prints a key that was made: it alone on standard output, so that a script can take it from there.
func show(cmd *cobra.Command, key string, about ...string) error {
	if _, err := io.WriteString(cmd.OutOrStdout(), key+"\n"); err != nil {
		return fmt.Errorf("the key could not be printed, and cannot be shown again: %w", err)
	}
	for _, line := range append(about, "keep it now: it is not shown again") {
		fmt.Fprintf(cmd.ErrOrStderr(), "kv: %s\n", line)
	}
	return nil
}

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

func newKeysRotate(getenv func(string) string) *cobra.Command {
	k, id, grace := &keysFile{getenv: getenv}, "", period(0)
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Make a new key in the place of one, and print it, once",
		Long: `Make a new key in the place of one, with the same id and rights, and print it. The one before is refused from
then on, or when --grace is over, so that its users have time to change. Of two rotations within that time, the
second ends the first one's.`,
		Example: "  kv keys rotate --file keys.json --id reports --grace 1d",
		RunE:    func(cmd *cobra.Command, _ []string) error { return k.rotate(cmd, id, grace) },
	}
	k.flags(cmd)
	idFlag(cmd, &id)
	cmd.Flags().Var(&grace, "grace", "how long the key before stays valid, such as 1d or 12h; 0: not at all")
	return cmd
}

func (k *keysFile) rotate(cmd *cobra.Command, id string, grace period) error {
	key, now := auth.Generate(id), time.Now()
	about := fmt.Sprintf("the key that %q had before is refused now", id)
	if err := k.edit(id, func(r *auth.Record) error {
		if r.Status == auth.Revoked {
			return fmt.Errorf("the key %q is revoked: make another one", id)
		}
		r.Previous = nil
		if grace > 0 {
			r.Previous = &auth.Previous{SHA256: r.SHA256, Expires: grace.after(now)}
			about = fmt.Sprintf("the key that %q had before is valid until %s", id, r.Previous.Expires.Format(time.RFC3339))
		}
		r.SHA256 = auth.HashOf(key)
		return nil
	}); err != nil {
		return err
	}
	return show(cmd, key, about)
}

func newKeysRevoke(getenv func(string) string) *cobra.Command {
	k, id := &keysFile{getenv: getenv}, ""
	cmd := &cobra.Command{
		Use:   "revoke",
		Short: "Have a key refused from now on",
		Long: `Have a key refused from now on, for good, also the one before it was rotated. What it has open ends. It stays in
the list.`,
		Example: "  kv keys revoke --file keys.json --id reports",
		RunE: func(*cobra.Command, []string) error {
			return k.edit(id, func(r *auth.Record) error {
				r.Status, r.Previous = auth.Revoked, nil
				return nil
			})
		},
	}
	k.flags(cmd)
	idFlag(cmd, &id)
	return cmd
}
