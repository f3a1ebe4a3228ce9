package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"key-value/kvservice/store/memory/wal"
	"key-value/kvservice/store/memory/wal/vfs"
)

// dataDirFlag names a data directory.
const dataDirFlag = "data-dir"

func newRestore() *cobra.Command {
	dir := ""
	cmd := &cobra.Command{
		Use:   "restore --data-dir DIR FILE",
		Short: "Make a data directory from a backup",
		Long: `Make the data directory DIR from FILE, which kv backup has written. FILE - is
standard input.

DIR is created if it does not exist. It must be empty: nothing is ever restored
over data. Entries have the revisions, etags, times and TTLs of the backup;
those that have expired meanwhile are gone. A backup that does not read to its
end is not restored.`,
		Example: `  kv restore --data-dir /var/lib/kv kv.backup
  gunzip < kv.backup.gz | kv restore --data-dir /var/lib/kv -`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return restore(cmd, dir, args[0]) },
	}
	cmd.Flags().StringVar(&dir, dataDirFlag, "", "`DIR` to make, which is empty or does not exist")
	return cmd
}

func restore(cmd *cobra.Command, dir, file string) error {
	if dir == "" {
		return usageError{errors.New("missing data directory: add --data-dir DIR")}
	}
	in := io.Reader(cmd.InOrStdin())
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	data, err := vfs.OpenDir(dir)
	if err != nil {
		return err
	}
	restored, err := wal.Restore(data, bufio.NewReaderSize(in, 1<<20))
	switch {
	case errors.Is(err, wal.ErrNotEmpty):
		return fmt.Errorf("%s is not empty: restore into an empty directory", dir)
	case err != nil:
		return fmt.Errorf("restore %s into %s: %w", file, dir, err)
	}
	note(cmd.ErrOrStderr(), "%s restored", entriesOf(restored.Entries))
	return nil
}

func newCheck() *cobra.Command {
	fix := false
	cmd := &cobra.Command{
		Use:   "check DIR",
		Short: "Check a data directory for damage",
		Long: `Read all of the data directory DIR, which no server may use meanwhile, and say
what it has. The exit code is 1 if something is damaged: a server refuses to
start with it.

With --fix, cut what is damaged and what follows on it in the log, so that a
server starts with the rest. A copy of each cut is kept in DIR; its name has
.cut in it. Restoring a backup may lose less.`,
		Example: `  kv check /var/lib/kv
  kv check /var/lib/kv --fix`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return checkDir(cmd, args[0], fix) },
	}
	cmd.Flags().BoolVar(&fix, "fix", false, "cut what is damaged, and keep a copy of it")
	return cmd
}

func checkDir(cmd *cobra.Command, dir string, fix bool) error {
	if _, err := os.Stat(dir); err != nil {
		return err // rather than create it
	}
	data, err := vfs.OpenDir(dir)
	if err != nil {
		return err
	}
	report, err := wal.Check(data, fix)
	if errors.Is(err, vfs.ErrLocked) {
		return fmt.Errorf("%s is in use: stop the server first", dir)
	}
	if printErr := printReport(cmd.OutOrStdout(), report); err == nil {
		err = printErr
	}
	if err != nil || len(report.Damage) == 0 || fix {
		return err
	}
	return fmt.Errorf("%s is damaged: restore a backup, or cut what is damaged with kv check --fix %s", dir, shellWord(dir))
}

// printReport prints what a check has found.
func printReport(out io.Writer, r wal.Report) error {
	var text strings.Builder
	for _, d := range r.Damage {
		fmt.Fprintf(&text, "damaged: %s at byte %d: %s\n", d.File, d.Offset, d.Reason)
	}
	if torn := r.Torn; torn.File != "" {
		fmt.Fprintf(&text, "incomplete: %s at byte %d: a crash left %s; the next start cuts them\n",
			torn.File, torn.Offset, readableBytes(torn.Bytes))
	}
	for _, cut := range r.Cuts {
		fmt.Fprintf(&text, "cut: %s at byte %d: %s, kept in %s\n", cut.File, cut.Offset, readableBytes(cut.Bytes), cut.Copy)
	}
	if r.Lost > 0 {
		fmt.Fprintf(&text, "lost: %s of a snapshot\n", readableBytes(r.Lost))
	}
	fmt.Fprintf(&text, "read: %s in %s: %s, %s after them; last revision %d\n", readableBytes(r.Bytes),
		counted(int64(r.Files), "file", "files"), entriesOf(r.Entries), counted(r.Commits, "commit", "commits"), r.Last)
	_, err := io.WriteString(out, text.String())
	return err
}
