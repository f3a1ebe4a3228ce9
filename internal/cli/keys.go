package cli

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
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

// period is a flag that holds a time span; besides what Go writes, it takes days, such as 90d.
type period time.Duration

// Set implements [pflag.Value].
func (p *period) Set(text string) error {
	const day, most = 24 * time.Hour, 36500
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < 0 || n > most {
			return errors.New("use a number of days such as 90d")
		}
		*p = period(time.Duration(n) * day)
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return errors.New("use days or hours, such as 90d or 12h")
	}
	*p = period(d)
	return nil
}

// String implements [pflag.Value].
func (p *period) String() string {
	if *p == 0 {
		return ""
	}
	return time.Duration(*p).String()
}

// Type implements [pflag.Value].
func (p *period) Type() string { return "period" }

// after returns when the period that begins now is over, in whole seconds, and zero for none.
func (p *period) after(now time.Time) time.Time {
	if *p == 0 {
		return time.Time{}
	}
	return now.Add(time.Duration(*p)).UTC().Truncate(time.Second)
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
