package cli

import (
	"errors"
	"fmt"
	"io"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"key-value/internal/auth"
)

// keysFile is the file that the subcommands of kv keys read and write.
type keysFile struct {
	path   string
	getenv func(string) string
}

func newKeys(getenv func(string) string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Create, list, rotate and revoke API keys",
		Long: `Create, list, rotate and revoke the API keys in a file that a gateway reads with
--api-keys-file.

The file holds a hash and the permissions of each key. The key itself is printed
once, when it is created. The file must be accessible to its owner only (mode
0600), or belong to root and be readable by its group as well (0640). A running
gateway applies changes within two seconds.`,
		Example: `  kv keys create --file keys.json --id reports --prefix reports/ --ops read
  KV_API_KEYS_FILE=keys.json kv serve`,
		RunE: helpOrUnknown,
	}
	cmd.AddCommand(newKeysCreate(getenv), newKeysList(getenv), newKeysRotate(getenv), newKeysRevoke(getenv))
	return cmd
}

// flags adds the flag that names the file to cmd, which takes no arguments. Its variable is that of the gateway's flag.
func (k *keysFile) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&k.path, "file", "", "`FILE` with the API keys")
	nameVariable(cmd.Flags().Lookup("file"), "KV_API_KEYS_FILE")
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	cmd.Args = func(cmd *cobra.Command, args []string) error { return asUsage(cobra.ExactArgs(0)(cmd, args)) }
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if k.path == "" {
			k.path = k.getenv("KV_API_KEYS_FILE")
		}
		if k.path == "" {
			return usageError{errors.New("missing keys file: set --file or KV_API_KEYS_FILE")}
		}
		return nil
	}
}

// idFlag adds the flag that names a key in the file.
func idFlag(cmd *cobra.Command, id *string) {
	cmd.Flags().StringVar(id, "id", "", "key `ID`: 1 to 32 characters from a-z, 0-9 and -")
}

// edit changes the key with this id. Ready is as in [auth.EditFile].
func (k *keysFile) edit(id string, change func(*auth.Record) error, ready func() error) error {
	if !auth.ValidID(id) {
		return badID(id)
	}
	if _, err := auth.ReadFile(k.path); err != nil { // EditFile would create it
		return err
	}
	return auth.EditFile(k.path, func(f *auth.File) error {
		r := f.Find(id)
		if r == nil {
			return fmt.Errorf("no key %q in %s", id, k.path)
		}
		return change(r)
	}, ready)
}

func badID(id string) error {
	return usageError{fmt.Errorf("invalid --id %q: want 1 to 32 characters from a-z, 0-9 and -, not starting with -", id)}
}

// issue makes a new key valid by edit and prints it: the key alone on standard output, for scripts, and notes about it on
// standard error. It is printed before the edit takes effect, so that a key that nobody has seen replaces none.
func issue(cmd *cobra.Command, key string, edit func(ready func() error) error, about func() string) error {
	printed := false
	err := edit(func() error {
		signal.Ignore(syscall.SIGPIPE) // a write without a reader is to fail, not to end the process
		if _, err := io.WriteString(cmd.OutOrStdout(), key+"\n"); err != nil {
			return fmt.Errorf("nothing was changed, because the new key cannot be printed: %w", err)
		}
		printed = true
		return nil
	})
	if err != nil && printed {
		return fmt.Errorf("the printed key is not valid: %w", err)
	}
	if err != nil {
		return err
	}
	for _, line := range []string{about(), "save it now: it cannot be shown again"} {
		note(cmd.ErrOrStderr(), "%s", line)
	}
	return nil
}

// createFlags are the flags of kv keys create.
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
		Short: "Create a key and print it",
		Long: `Create a key and print it, with nothing else, on standard output; its
permissions are printed on standard error. It cannot be shown again. If the file
does not exist, it is created.`,
		Example: `  kv keys create --file keys.json --id admin
  kv keys create --file keys.json --id reports --ops read \
    --prefix reports/ --prefix public/ --expires 90d --rps 50`,
		RunE: func(cmd *cobra.Command, _ []string) error { return k.create(cmd, f) },
	}
	k.flags(cmd)
	idFlag(cmd, &f.id)
	flags := cmd.Flags()
	flags.StringArrayVar(&f.prefixes, "prefix", nil,
		"key prefix to permit, such as reports/; repeatable; default: all keys")
	flags.StringSliceVar(&f.ops, "ops", []string{"read", "write"}, "operations to permit: read, write or both")
	flags.Var(&f.expires, "expires", "validity period, such as 90d or 12h; 0: no expiry")
	flags.Float64Var(&f.rps, "rps", 0, "maximum requests per second; 0: no limit")
	_ = cmd.RegisterFlagCompletionFunc("ops", cobra.FixedCompletions([]string{"read", "write", "read,write"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (k *keysFile) create(cmd *cobra.Command, f *createFlags) error {
	key := auth.Generate(f.id)
	r, err := f.record(key, time.Now())
	if err != nil {
		return err
	}
	add := func(file *auth.File) error {
		if file.Find(f.id) != nil {
			return fmt.Errorf("key %q already exists in %s: rotate it, or choose another id", f.id, k.path)
		}
		file.Keys = append(file.Keys, r)
		return nil
	}
	return issue(cmd, key, func(ready func() error) error { return auth.EditFile(k.path, add, ready) },
		func() string { return fmt.Sprintf("key %q may %s", f.id, describe(r)) })
}

func (f *createFlags) record(key string, now time.Time) (auth.Record, error) {
	ops, err := auth.ParseOps(f.ops)
	switch {
	case !auth.ValidID(f.id):
		return auth.Record{}, badID(f.id)
	case err != nil:
		return auth.Record{}, usageError{fmt.Errorf("invalid --ops: %w", err)}
	case ops == 0:
		return auth.Record{}, usageError{errors.New("invalid --ops \"\": want read, write or read,write")}
	case f.rps < 0:
		return auth.Record{}, usageError{fmt.Errorf("invalid --rps %v: want 0 (no limit) or more", f.rps)}
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
		Short: "Replace a key with a new one and print it",
		Long: `Replace a key with a new one that has the same id and permissions, and print it.
The old key is rejected at once, or after --grace, which gives its users time to
switch. Only the latest old key has a grace period: rotating again within it
ends it for the one before.`,
		Example: "  kv keys rotate --file keys.json --id reports --grace 1d",
		RunE:    func(cmd *cobra.Command, _ []string) error { return k.rotate(cmd, id, grace) },
	}
	k.flags(cmd)
	idFlag(cmd, &id)
	cmd.Flags().Var(&grace, "grace", "how long the old key stays valid, such as 1d or 12h; 0: not at all")
	return cmd
}

func (k *keysFile) rotate(cmd *cobra.Command, id string, grace period) error {
	key, now := auth.Generate(id), time.Now()
	about := fmt.Sprintf("the old key of %q is no longer valid", id)
	replace := func(r *auth.Record) error {
		if r.Status == auth.Revoked {
			return fmt.Errorf("key %q is revoked: create another one", id)
		}
		r.Previous = nil
		if grace > 0 {
			r.Previous = &auth.Previous{SHA256: r.SHA256, Expires: grace.after(now)}
			about = fmt.Sprintf("the old key of %q is valid until %s", id, r.Previous.Expires.Format(time.RFC3339))
		}
		r.SHA256 = auth.HashOf(key)
		return nil
	}
	return issue(cmd, key, func(ready func() error) error { return k.edit(id, replace, ready) }, func() string { return about })
}

func newKeysRevoke(getenv func(string) string) *cobra.Command {
	k, id := &keysFile{getenv: getenv}, ""
	cmd := &cobra.Command{
		Use:   "revoke",
		Short: "Revoke a key",
		Long: `Revoke a key permanently, including an old one that is still in its grace
period. Open watches of the key end. The key stays in the list.`,
		Example: "  kv keys revoke --file keys.json --id reports",
		RunE: func(*cobra.Command, []string) error {
			return k.edit(id, func(r *auth.Record) error {
				r.Status, r.Previous = auth.Revoked, nil
				return nil
			}, nil)
		},
	}
	k.flags(cmd)
	idFlag(cmd, &id)
	return cmd
}
