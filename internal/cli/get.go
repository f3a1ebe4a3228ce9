package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"key-value/client"
	"key-value/internal/contract"
)

// getFlags are the flags of kv get.
type getFlags struct {
	output

	null bool
}

func newGet(getenv func(string) string) *cobra.Command {
	c, f := &connection{getenv: getenv}, &getFlags{}
	cmd := &cobra.Command{
		Use:   "get KEY...",
		Short: "Print the values of keys",
		Long: `Print the value of a key, byte for byte.

The values of several keys are printed one per line, in their order, up to the
first key that does not exist or value that is not one line; -0 ends each with
NUL instead. With -o json or table, missing keys are reported at the end.

Binary values are printed to files and pipes only. On a terminal, control
characters and other invisible ones are escaped, such as \u202e.`,
		Example: `  kv get hello
  kv get photo > photo.jpg
  kv get host port
  kv get hello -o json | jq -r .etag`,
		Args:              cobra.MinimumNArgs(1),
		RunE:              func(cmd *cobra.Command, keys []string) error { return c.get(cmd, f, keys) },
		ValidArgsFunction: c.completeKey(contract.MaxOperations),
	}
	c.flags(cmd)
	cmd.Flags().BoolVarP(&f.null, "null", "0", false, "end each value with NUL, such as for xargs -0")
	f.output.flags(cmd, outputRaw, outputJSON, outputTable)
	return cmd
}

func (c *connection) get(cmd *cobra.Command, f *getFlags, keys []string) error {
	if err := exclusive(cmd, "null", "output"); err != nil {
		return err
	}
	kv, err := c.dial()
	if err != nil {
		return err
	}
	defer kv.Close()
	row := f.printer(cmd, c, len(keys) > 1)
	var failed failures
	for i, key := range keys {
		entry, err := c.read(cmd.Context(), kv, key)
		failed.add(err)
		switch {
		case err != nil && (f.format == outputRaw || !errors.Is(err, client.ErrNotFound)):
			return err
		case err != nil:
			continue
		}
		if i == failed.failed && row.header != nil { // nothing has been printed
			if err := row.header(cmd.OutOrStdout()); err != nil {
				return err
			}
		}
		if err := row.row(cmd.OutOrStdout(), entry); err != nil {
			return err
		}
	}
	return failed.err()
}

// read returns an entry within the timeout of a call.
func (c *connection) read(ctx context.Context, kv *client.Client, key string) (client.Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return kv.Get(ctx, key)
}

// printer returns how to print entries, of which there may be several.
func (f *getFlags) printer(cmd *cobra.Command, c *connection, several bool) printer {
	switch {
	case f.format == outputJSON:
		return printer{row: func(w io.Writer, e client.Entry) error { return printJSON(w, newEntryJSON(e)) }}
	case f.format == outputTable:
		return printer{header: printHeader, row: func(w io.Writer, e client.Entry) error { return printRow(w, e, keyOn(w, e.Key)) }}
	case f.null:
		return printer{row: func(w io.Writer, e client.Entry) error { return printEnded(w, e, "\x00", "NUL", "-o json") }}
	case several && !isTerminal(cmd.OutOrStdout()):
		return printer{row: func(w io.Writer, e client.Entry) error { return printEnded(w, e, "\n", "a newline", "-0 or -o json") }}
	}
	return printer{row: func(w io.Writer, e client.Entry) error { return printValue(w, cmd.ErrOrStderr(), e, c.words()) }}
}

// printEnded prints a value and end, unless the value has end: its reader would take it for two.
func printEnded(w io.Writer, e client.Entry, end, called, instead string) error {
	if strings.Contains(string(e.Value), end) {
		return fmt.Errorf("the value of %s has %s: use %s", quoted(e.Key), called, instead)
	}
	_, err := io.WriteString(w, string(e.Value)+end)
	return err
}

// printValue prints the value alone. On a terminal it adds a newline, rejects a value that is not text, and tells if the
// text was escaped. The commands that it names have flags, which say how to connect.
func printValue(out, log io.Writer, entry client.Entry, flags []string) error {
	value, get := entry.Value, commandLine("kv get", entry.Key, flags...)
	if !isTerminal(out) {
		_, err := out.Write(value)
		return err
	}
	if !utf8.Valid(value) {
		return fmt.Errorf("the value is binary (%d bytes): write it to a file with %s > FILE, or print it as base64 with %s",
			len(value), get, commandLine("kv get", entry.Key, append(flags, "-o", "json")...))
	}
	_, err := out.Write(append(value, '\n'))
	if text := string(value); err == nil && escapeLines(text) != text {
		note(log, "invisible characters are shown as escapes; to get them as they are: %s > FILE", get)
	}
	return err
}
