package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"key-value/client"
)

func newGet(getenv func(string) string) *cobra.Command {
	c, o := &connection{getenv: getenv}, &output{}
	cmd := &cobra.Command{
		Use:   "get KEY",
		Short: "Print the value of a key",
		Long: `Print the value of a key, byte for byte.

Binary values are printed to files and pipes only, not to a terminal.`,
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
		return printRow(out, entry)
	}
	return printValue(out, entry)
}

// printValue prints the value alone. On a terminal it adds a newline, and rejects a value that is not text.
func printValue(out io.Writer, entry client.Entry) error {
	value := entry.Value
	if isTerminal(out) {
		if !isText(value) {
			key := shellWord(entry.Key)
			return fmt.Errorf("the value is binary (%d bytes): write it to a file with kv get %s > FILE, "+
				"or print it as base64 with kv get %s -o json", len(value), key, key)
		}
		value = append(value, '\n')
	}
	_, err := out.Write(value)
	return err
}
