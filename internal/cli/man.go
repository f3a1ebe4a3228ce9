package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"key-value/internal/atomicfile"
)

func newMan() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write manual pages to a directory",
		Long: `Write a manual page for each command to DIR, which must exist. Pages of kv that
are there are replaced; nothing is written if a file of another program has the
name of one.`,
		Example: "  mkdir -p /usr/local/share/man/man1 && kv man /usr/local/share/man/man1",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return writeManual(cmd.Root(), args[0]) },
	}
}

// writeManual writes the pages of root and its subcommands.
func writeManual(root *cobra.Command, dir string) error {
	if info, err := os.Stat(dir); err != nil {
		return err
	} else if !info.IsDir() {
		return fmt.Errorf("%s is not a directory", dir)
	}
	pages := map[string][]byte{} // :: file → page
	addPages(root, dir, pages)
	files := slices.Sorted(maps.Keys(pages))
	for _, file := range files {
		if err := replaceable(file, pages[file]); err != nil {
			return err
		}
	}
	for _, file := range files {
		if err := atomicfile.Replace(file, pages[file], 0o644); err != nil {
			return err
		}
	}
	return nil
}

// addPages adds the pages of cmd and its subcommands.
func addPages(cmd *cobra.Command, dir string, pages map[string][]byte) {
	pages[filepath.Join(dir, pageName(cmd)+".1")] = []byte(manualPage(cmd))
	for _, sub := range documented(cmd) {
		addPages(sub, dir, pages)
	}
}

// documented returns the subcommands of cmd that have pages.
func documented(cmd *cobra.Command) []*cobra.Command {
	return slices.DeleteFunc(slices.Clone(cmd.Commands()), func(sub *cobra.Command) bool {
		return !sub.IsAvailableCommand() || sub.IsAdditionalHelpTopicCommand()
	})
}

// replaceable returns an error if a file exists that is not an earlier version of page.
func replaceable(file string, page []byte) error {
	before, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	title, _, _ := bytes.Cut(page, []byte(`" "1" "`)) // as they have always begun
	if err == nil && !bytes.HasPrefix(before, title) {
		err = fmt.Errorf("%s is not a manual page of kv: delete it, or name another directory", file)
	}
	return err
}
