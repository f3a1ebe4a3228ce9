package cli

import (
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"key-value/client"
)

func newGet(getenv func(string) string) *cobra.Command {
	c, o := &connection{getenv: getenv}, &output{}
	cmd := &cobra.Command{
		Use:   "get KEY",
		Short: "Print the value of a key",
		Long: `Print the value of a key, byte for byte.

Binary values are printed to files and pipes only. On a terminal, control
characters and other invisible ones are escaped, such as \u202e.`,
		Example: `  kv get hello
  kv get photo > photo.jpg
  kv get hello -o json | jq -r .etag`,
		Args:              cobra.ExactArgs(1),
		RunE:              func(cmd *cobra.Command, args []string) error { return c.get(cmd, o, args[0]) },
		ValidArgsFunction: c.completeKey(1),
	}
	c.flags(cmd)
	o.flags(cmd, outputRaw, outputJSON, outputTable)
	return cmd
}

func (c *connection) get(cmd *cobra.Command, o *output, key string) error {
	ctx, cancel, kv, err := c.open(cmd.Context())
	if err != nil {
		return err
	}
	defer cancel()
	entry, err := kv.Get(ctx, key)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	switch o.format {
	case outputJSON:
		return printJSON(out, newEntryJSON(entry))
	case outputTable:
		if err := printHeader(out); err != nil {
			return err
		}
		return printRow(out, entry, keyOn(out, key))
	}
	return printValue(out, cmd.ErrOrStderr(), entry)
}

// printValue prints the value alone. On a terminal it adds a newline, rejects a value that is not text, and tells if the
// text was escaped.
func printValue(out, log io.Writer, entry client.Entry) error {
	value, key := entry.Value, shellWord(entry.Key)
	if !isTerminal(out) {
		_, err := out.Write(value)
		return err
	}
	if !utf8.Valid(value) {
		return fmt.Errorf("the value is binary (%d bytes): write it to a file with kv get %s > FILE, "+
			"or print it as base64 with kv get %s -o json", len(value), key, key)
	}
	_, err := out.Write(append(value, '\n'))
	if text := string(value); err == nil && escapeLines(text) != text {
		note(log, "invisible characters are shown as escapes; to get them as they are: kv get %s > FILE", key)
	}
	return err
}
