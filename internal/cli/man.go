package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

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
	root.DisableAutoGenTag = true
	pages := map[string][]byte{} // :: file → page
	if err := addPages(root, dir, pages); err != nil {
		return err
	}
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
func addPages(cmd *cobra.Command, dir string, pages map[string][]byte) error {
	var page bytes.Buffer
	header := &doc.GenManHeader{Section: "1", Source: "kv " + cmd.Root().Version, Manual: "kv"}
	if err := doc.GenMan(cmd, header, &page); err != nil {
		return err
	}
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
	pages[filepath.Join(dir, name)] = indentUsage(page.Bytes())
	for _, sub := range cmd.Commands() {
		if !sub.IsAvailableCommand() || sub.IsAdditionalHelpTopicCommand() {
			continue
		}
		if err := addPages(sub, dir, pages); err != nil {
			return err
		}
	}
	return nil
}

// flagLines are the two lines of a flag. Package doc separates them by a tab, at which troff does not begin a new line.
var flagLines = regexp.MustCompile(`(?m)^(?:\.PP\n)?(\\fB-.*)\n\t`)

// indentUsage puts the usage of each flag below the flag.
func indentUsage(page []byte) []byte { return flagLines.ReplaceAll(page, []byte(".TP\n$1\n")) }

// replaceable returns an error if a file exists that is not an earlier version of page.
func replaceable(file string, page []byte) error {
	before, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	title, _, _ := bytes.Cut(page, []byte(`" "1" "`))
	if err == nil && !bytes.HasPrefix(before, title) {
		err = fmt.Errorf("%s is not a manual page of kv: delete it, or name another directory", file)
	}
	return err
}
