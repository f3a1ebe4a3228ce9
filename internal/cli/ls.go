package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/spf13/cobra"

	"key-value/client"
	"key-value/internal/contract"
)

// lsFlags are the flags of kv ls.
type lsFlags struct {
	output

	keys      bool
	null      bool
	long      bool
	delimiter string // "": list whole keys
	limit     int
}

func newLs(getenv func(string) string) *cobra.Command {
	c, f := &connection{getenv: getenv}, &lsFlags{}
	cmd := &cobra.Command{
		Use:     "ls [PREFIX]",
		Aliases: []string{"list"},
		Short:   "List entries in key order",
		Long: `List the entries whose keys begin with PREFIX, by default all of them, in byte
order of their keys. Each page is printed as it arrives.

A terminal gets a table. Files and pipes get the keys alone, one per line, for
other programs to read. Keys may have spaces, quotes and leading dashes: hand
them on with -0, and put -- before them. With -o json, each entry is one line
and includes its value.`,
		Example: `  kv ls
  kv ls -l users/ --limit 20
  kv ls users/ | wc -l
  kv ls -d / users/
  kv ls -0 tmp/ | xargs -r0 kv del --
  kv ls users/ -o json | jq .value`,
		Args:              cobra.MaximumNArgs(1),
		RunE:              func(cmd *cobra.Command, args []string) error { return c.ls(cmd, f, append(args, "")[0]) },
		ValidArgsFunction: c.completePrefix,
	}
	c.flags(cmd)
	cmd.Flags().BoolVar(&f.keys, "keys", false, "print keys only, also on a terminal; with -o json: entries without values")
	cmd.Flags().BoolVarP(&f.null, "null", "0", false, "print keys only, each followed by NUL, such as for xargs -0")
	cmd.Flags().BoolVarP(&f.long, "long", "l", false, "print a table with sizes and etags; slower, because values are fetched")
	cmd.Flags().StringVarP(&f.delimiter, "delimiter", "d", "", "list one level: keys with `DELIMITER` after PREFIX as one prefix, such as a/")
	cmd.Flags().IntVar(&f.limit, "limit", 0, "maximum number of entries to list; 0: no limit")
	f.output.flags(cmd, outputTable, outputJSON)
	f.output.unset(cmd, "table on a terminal, keys elsewhere")
	return cmd
}

func (c *connection) ls(cmd *cobra.Command, f *lsFlags, prefix string) error {
	if f.limit < 0 {
		return usageError{fmt.Errorf("invalid --limit %d: want 0 (no limit) or more", f.limit)}
	}
	for _, alternatives := range [][]string{{"null", "output"}, {"null", "long"}, {"keys", "long"}} {
		if err := exclusive(cmd, alternatives...); err != nil {
			return err
		}
	}
	if f.long && f.format == outputJSON {
		return usageError{errors.New("--long is for a table: omit it, because -o json prints all there is to an entry")}
	}
	kv, err := c.dial()
	if err != nil {
		return err
	}
	defer kv.Close()
	out := bufio.NewWriter(cmd.OutOrStdout())
	format := f.printer(cmd.OutOrStdout())
	entries := c.patient(cmd.Context(), func(ctx context.Context) iter.Seq2[client.Entry, error] {
		return kv.List(ctx, prefix, f.options(format)...)
	})
	if err := f.print(out, format, entries); err != nil {
		_ = out.Flush() // of the entries before the error, which may be that of an earlier flush
		return err
	}
	return out.Flush()
}

// printer returns how to print entries to out.
func (f *lsFlags) printer(out io.Writer) printer {
	key := func(key string) string { return keyOn(out, key) }
	switch {
	case f.format == outputJSON:
		return printer{row: printEntryJSON, values: !f.keys}
	case f.null:
		return printer{row: printKeyNull}
	case f.long:
		return printer{header: printHeader, row: func(w io.Writer, e client.Entry) error { return printRow(w, e, key(e.Key)) }, values: true}
	case f.keys && isTerminal(out):
		return printer{row: func(w io.Writer, e client.Entry) error { return printLine(w, key(e.Key)) }}
	case !f.keys && (f.format == outputTable || isTerminal(out)):
		return printer{header: printShortHeader, row: func(w io.Writer, e client.Entry) error { return printShortRow(w, e, key(e.Key)) }}
	}
	return printer{row: printKey}
}

// printer prints entries.
type printer struct {
	header func(io.Writer) error // prints what precedes the first entry; nil for nothing
	row    func(io.Writer, client.Entry) error
	values bool // row needs the values
}

func (f *lsFlags) options(format printer) []client.ListOption {
	options := []client.ListOption{client.PageSize(contract.MaxPageSize)}
	if f.limit != 0 {
		options[0] = client.PageSize(f.limit)
	}
	if f.delimiter != "" {
		options = append(options, client.Delimiter(f.delimiter))
	}
	if !format.values {
		options = append(options, client.KeysOnly())
	}
	return options
}

func (f *lsFlags) print(out io.Writer, format printer, entries iter.Seq2[client.Entry, error]) error {
	n := 0
	for entry, err := range entries {
		if err != nil {
			return err
		}
		if n == 0 && format.header != nil {
			if err := format.header(out); err != nil {
				return err
			}
		}
		if err := format.row(out, entry); err != nil {
			return err
		}
		if n++; n == f.limit {
			break
		}
	}
	return nil
}

// prefixJSON is a prefix that stands for all keys that begin with it.
type prefixJSON struct {
	Prefix string `json:"prefix"`
}

func printEntryJSON(w io.Writer, e client.Entry) error {
	if e.IsPrefix {
		return printJSON(w, prefixJSON{e.Key})
	}
	return printJSON(w, newEntryJSON(e))
}

// printKey prints a key as a line, unless the reader would take it for two.
func printKey(w io.Writer, e client.Entry) error {
	if strings.Contains(e.Key, "\n") {
		return fmt.Errorf("the key %s has a newline and does not fit on a line: use -0 or -o json", quoted(e.Key))
	}
	return printLine(w, e.Key)
}

func printLine(w io.Writer, text string) error {
	_, err := fmt.Fprintln(w, text)
	return err
}

func printKeyNull(w io.Writer, e client.Entry) error {
	_, err := io.WriteString(w, e.Key+"\x00")
	return err
}
