package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"key-value/client"
)

func newEdit(getenv func(string) string) *cobra.Command {
	c := &connection{getenv: getenv}
	cmd := &cobra.Command{
		Use:   "edit KEY",
		Short: "Edit the value of a key in an editor",
		Long: `Edit the value of a key, which must be text, in an editor. The TTL stays as it
is. If the entry changes meanwhile, or the value cannot be written for another
reason, the text stays in a file that is named.

The editor runs in a shell. If it adds a newline at the end of a value without
one, the newline is removed.`,
		Example: `  kv edit config
  EDITOR='code --wait' kv edit config`,
		Args:              cobra.ExactArgs(1),
		RunE:              func(cmd *cobra.Command, args []string) error { return c.edit(cmd, args[0]) },
		ValidArgsFunction: c.completeKey(1),
	}
	c.flags(cmd)
	writing(cmd)
	cmd.Long += "\n    VISUAL, EDITOR  command of the editor; default: vi"
	return cmd
}

func (c *connection) edit(cmd *cobra.Command, key string) error {
	kv, err := c.dial()
	if err != nil {
		return err
	}
	defer kv.Close()
	entry, err := c.read(cmd.Context(), kv, key)
	if err != nil {
		return err
	}
	if !utf8.Valid(entry.Value) {
		return fmt.Errorf("the value is binary (%d bytes), which editors can change by accident: use kv get and kv set", len(entry.Value))
	}
	dir, err := os.MkdirTemp("", "kv-edit-") // which only its user can read
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "value.txt")
	err = c.edited(cmd, kv, entry, file)
	if err != nil && changed(file, entry.Value) {
		return fmt.Errorf("%w; the edited text is in %s", err, file)
	}
	return errors.Join(err, os.RemoveAll(dir))
}

// edited has the user edit the value in file, and writes it unless it stays the same.
func (c *connection) edited(cmd *cobra.Command, kv *client.Client, entry client.Entry, file string) error {
	if err := os.WriteFile(file, entry.Value, 0o600); err != nil {
		return err
	}
	if err := c.runEditor(cmd, file); err != nil {
		return err
	}
	value, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if text, ok := bytes.CutSuffix(value, []byte("\n")); ok && !bytes.HasSuffix(entry.Value, []byte("\n")) {
		value = text
	}
	if bytes.Equal(value, entry.Value) {
		note(cmd.ErrOrStderr(), "unchanged")
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(cmd.Context()), c.timeout) // ^C is for the editor
	defer cancel()
	_, _, err = kv.Set(ctx, entry.Key, value, client.IfMatch(entry.ETag), client.KeepTTL())
	return err
}

// runEditor runs the user's editor on file, with the streams of this command.
func (c *connection) runEditor(cmd *cobra.Command, file string) error {
	editor := cmp.Or(c.getenv("VISUAL"), c.getenv("EDITOR"), "vi")
	run := exec.CommandContext(context.WithoutCancel(cmd.Context()), "sh", "-c", editor+` "$1"`, "sh", file)
	run.Stdin, run.Stdout, run.Stderr = cmd.InOrStdin(), unescaped(cmd.OutOrStdout()), unescaped(cmd.ErrOrStderr())
	if err := run.Run(); err != nil {
		return fmt.Errorf("nothing was changed: editor %s: %w", shellWord(editor), err)
	}
	return nil
}

// changed reports whether file has text other than before, which would be lost.
func changed(file string, before []byte) bool {
	text, err := os.ReadFile(file)
	return err == nil && !bytes.Equal(text, before)
}
