package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"key-value/client"
	"key-value/internal/contract"
)

// rangeFlags are the flags with which kv del deletes a range of keys rather than those that are named.
type rangeFlags struct {
	prefix string
	all    bool
	yes    bool // do not ask
	dryRun bool // only count
}

func (f *rangeFlags) flags(cmd *cobra.Command, c *connection) {
	cmd.Flags().StringVar(&f.prefix, "prefix", "", "delete all keys that begin with this prefix")
	cmd.Flags().BoolVar(&f.all, "all", false, "delete every key of the store")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "with --prefix or --all: delete without asking")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "with --prefix or --all: print how many keys would be deleted, and delete none")
	_ = cmd.RegisterFlagCompletionFunc("prefix", c.completePrefix)
}

// given reports whether cmd is to delete a range.
func (f *rangeFlags) given(cmd *cobra.Command) bool { return cmd.Flags().Changed("prefix") || f.all }

// args checks that there is something to delete.
func (f *rangeFlags) args(cmd *cobra.Command, keys []string) error {
	if f.given(cmd) {
		return nil
	}
	return cobra.MinimumNArgs(1)(cmd, keys)
}

// check rejects what the flags and the keys do not take together.
func (f *rangeFlags) check(cmd *cobra.Command, keys []string) error {
	wrong := ""
	switch given := f.given(cmd); {
	case given && len(keys) != 0:
		wrong = "--prefix and --all take no keys, such as " + quoted(keys[0])
	case given && !f.all && f.prefix == "":
		wrong = "an empty --prefix is every key of the store, which takes --all"
	case !given && f.dryRun:
		wrong = "--dry-run is for --prefix and --all"
	case !given && f.yes:
		wrong = "--yes is for --prefix and --all"
	default:
		return cmp.Or(exclusive(cmd, "prefix", "all"), exclusive(cmd, "prefix", "if-match", "if-exists"), exclusive(cmd, "all", "if-match", "if-exists"))
	}
	return usageError{errors.New("nothing was deleted: " + wrong)}
}

// what describes n keys of the range.
func (f *rangeFlags) what(n int64) string {
	if f.all {
		return "all " + keysOf(n)
	}
	return keysOf(n) + " with the prefix " + quoted(f.prefix)
}

func keysOf(n int64) string { return counted(n, "key", "keys") }

// deletedRangeJSON is the result for a range, as over REST.
type deletedRangeJSON struct {
	Deleted int64 `json:"deleted"` // in a dry run: what would be
}

func (c *connection) delRange(cmd *cobra.Command, f *rangeFlags, o *output) error {
	asks := !f.yes && !f.dryRun
	if asks && !(isTerminal(cmd.InOrStdin()) && isTerminal(cmd.ErrOrStderr())) {
		return usageError{errors.New("nothing was deleted: there is no terminal to ask on; use --yes to delete, or --dry-run to count")}
	}
	kv, err := c.dial()
	if err != nil {
		return err
	}
	defer kv.Close()
	d := &rangeDeletion{c, kv, cmd, client.KeyRange{Prefix: f.prefix, All: f.all}}
	total, err := d.count()
	switch {
	case err != nil:
		return err
	case f.dryRun:
		return f.printCount(cmd, o, total)
	case asks && total != 0:
		if err := f.ask(cmd, fmt.Sprintf("delete %s from %s", f.what(total), c.url)); err != nil {
			return err
		}
	}
	deleted, err := d.delete(total)
	if err == nil && o.format == outputJSON {
		return printJSON(cmd.OutOrStdout(), deletedRangeJSON{deleted})
	}
	note(cmd.ErrOrStderr(), "%s", deletedOf(deleted, total, err))
	return err
}

// deletedOf says how many keys are gone after a deletion that ended with err.
func deletedOf(deleted, total int64, err error) string {
	said := keysOf(deleted) + " deleted"
	if err != nil {
		said = fmt.Sprintf("%s of %s deleted", readable(deleted), keysOf(total))
	}
	if errors.Is(err, client.ErrUnavailable) {
		said += ", and perhaps up to " + readable(contract.MaxOperations) + " more"
	}
	return said
}

// printCount prints how many keys would be deleted: for other programs, the number alone.
func (f *rangeFlags) printCount(cmd *cobra.Command, o *output, n int64) error {
	out := cmd.OutOrStdout()
	switch {
	case o.format == outputJSON:
		return printJSON(out, deletedRangeJSON{n})
	case isTerminal(out):
		return printLine(out, "would delete "+f.what(n))
	}
	return printLine(out, strconv.FormatInt(n, 10))
}

// ask asks a question on the terminal, and fails unless the answer is yes.
func (f *rangeFlags) ask(cmd *cobra.Command, question string) error {
	fmt.Fprintf(cmd.ErrOrStderr(), "kv: %s? [y/N] ", question)
	in := stdin(cmd)
	defer in.Close()
	answer, err := bufio.NewReader(in).ReadString('\n')
	if err != nil {
		fmt.Fprintln(cmd.ErrOrStderr())
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errors.New("nothing was deleted")
}

// rangeDeletion deletes a range.
type rangeDeletion struct {
	*connection

	kv   *client.Client
	cmd  *cobra.Command
	keys client.KeyRange
}

// count returns how many keys there are to delete.
func (d *rangeDeletion) count() (int64, error) {
	keys := d.keys
	keys.DryRun = true
	shown := newProgress(d.cmd.ErrOrStderr(), "counted", 0)
	defer shown.clear()
	keys.Each = func(n int64) error { shown.show(n, 0); return nil }
	n, err := d.call(d.cmd.Context(), keys)
	if d.cmd.Context().Err() != nil {
		err = interruption{d.cmd.Context().Err()}
	}
	return n, err
}

// delete deletes the keys, about total of them, and returns how many are gone. If the command is interrupted, it waits for
// the call in flight, so that the number is exact.
func (d *rangeDeletion) delete(total int64) (int64, error) {
	keys := d.keys
	shown := newProgress(d.cmd.ErrOrStderr(), "deleted", total)
	defer shown.clear()
	keys.Each = func(n int64) error {
		shown.show(n, n)
		if err := d.cmd.Context().Err(); err != nil {
			return interruption{err}
		}
		return nil
	}
	return d.call(context.WithoutCancel(d.cmd.Context()), keys)
}

// call makes the calls for keys, each within the timeout of one.
func (d *rangeDeletion) call(ctx context.Context, keys client.KeyRange) (int64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(d.timeout, func() { cancel(errPageTimeout) })
	defer timer.Stop()
	each := keys.Each
	keys.Each = func(n int64) error {
		timer.Reset(d.timeout)
		return each(n)
	}
	n, err := d.kv.DeleteRange(ctx, keys)
	return n, d.timedOut(ctx, err)
}
