package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/spf13/cobra"

	"key-value/client"
	"key-value/internal/contract"
)

// lsFlags are the flags of kv ls.
type lsFlags struct {
	output

	keys  bool
	limit int
}

func newLs(getenv func(string) string) *cobra.Command {
	c, f := &connection{getenv: getenv}, &lsFlags{}
	cmd := &cobra.Command{
		Use:   "ls [PREFIX]",
		Short: "List entries in key order",
		Long: `List the entries whose keys begin with PREFIX, by default all of them, in byte
order of their keys. Each page is printed as it arrives. With -o json, each
entry is one line and includes its value.`,
		Example: `  kv ls
  kv ls users/ --limit 20
  kv ls --keys users/ | wc -l
  kv ls users/ -o json | jq -r .value`,
		Args:              cobra.MaximumNArgs(1),
		RunE:              func(cmd *cobra.Command, args []string) error { return c.ls(cmd, f, append(args, "")[0]) },
		ValidArgsFunction: c.completePrefix,
	}
	c.flags(cmd)
	cmd.Flags().BoolVar(&f.keys, "keys", false, "list keys only, one per line; faster, because values are not fetched")
	cmd.Flags().IntVar(&f.limit, "limit", 0, "maximum number of entries to list; 0: no limit")
	f.output.flags(cmd, outputTable, outputJSON)
	return cmd
}

func (c *connection) ls(cmd *cobra.Command, f *lsFlags, prefix string) error {
	if f.limit < 0 {
		return usageError{fmt.Errorf("invalid --limit %d: want 0 (no limit) or more", f.limit)}
	}
	kv, err := c.dial()
	if err != nil {
		return err
	}
	defer kv.Close()
	out := listing{bufio.NewWriter(cmd.OutOrStdout()), func(key string) string { return keyOn(cmd.OutOrStdout(), key) }}
	entries := c.patient(cmd.Context(), func(ctx context.Context) iter.Seq2[client.Entry, error] {
		return kv.List(ctx, prefix, f.options()...)
	})
	return errors.Join(f.print(out, entries), out.Flush())
}

func (f *lsFlags) options() []client.ListOption {
	options := []client.ListOption{client.PageSize(contract.MaxPageSize)}
	if f.limit != 0 {
		options[0] = client.PageSize(f.limit)
	}
	if f.keys {
		options = append(options, client.KeysOnly())
	}
	return options
}

// listing is where kv ls prints.
type listing struct {
	*bufio.Writer
	key func(string) string // returns a key as it is printed
}

func (f *lsFlags) print(out listing, entries iter.Seq2[client.Entry, error]) error {
	n := 0
	for entry, err := range entries {
		if err != nil {
			return err
		}
		if n == 0 && f.format == outputTable && !f.keys {
			if err := printHeader(out); err != nil {
				return err
			}
		}
		if err := f.printEntry(out, entry); err != nil {
			return err
		}
		if n++; n == f.limit {
			break
		}
	}
	return nil
}

func (f *lsFlags) printEntry(out listing, entry client.Entry) error {
	switch {
	case f.format == outputJSON:
		return printJSON(out, newEntryJSON(entry))
	case f.keys:
		_, err := fmt.Fprintln(out, out.key(entry.Key))
		return err
	}
	return printRow(out, entry, out.key(entry.Key))
}
