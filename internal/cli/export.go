package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"key-value/client"
	"key-value/internal/contract"
)

// exportFlags are the flags of kv export.
type exportFlags struct {
	file   string
	resume bool
	after  string
}

func newExport(getenv func(string) string) *cobra.Command {
	c, f := &connection{getenv: getenv}, &exportFlags{}
	cmd := &cobra.Command{
		Use:   "export [PREFIX]",
		Short: "Export entries as JSON lines",
		Long: `Export the entries whose keys begin with PREFIX, by default all of them, to
standard output or a file: one JSON object per line, in byte order of the keys,
with the time at which the entry expires, if any.

    {"key":"a","value":"text"}
    {"key":"b","data":"AAEC","expireTime":"2030-01-02T03:04:05Z"}

An export is not a snapshot: the store stays writable meanwhile. A key that
exists throughout is exported exactly once. A key that is written or deleted
meanwhile is exported as it was when it was read, or not at all.

An interrupted export continues with --resume, which first removes an incomplete
last line, or with --after. Neither fetches the values of earlier keys.`,
		Example: `  kv export --file backup.ndjson
  kv export --file backup.ndjson --resume
  kv export users/ | gzip > users.ndjson.gz
  kv export users/ --after users/4711`,
		Args:              cobra.MaximumNArgs(1),
		RunE:              func(cmd *cobra.Command, args []string) error { return c.export(cmd, f, append(args, "")[0]) },
		ValidArgsFunction: c.completePrefix,
	}
	c.flags(cmd)
	cmd.Flags().StringVarP(&f.file, "file", "f", "", "write to `FILE`, which must not exist unless --resume is set")
	cmd.Flags().BoolVar(&f.resume, "resume", false, "continue after the last entry in FILE, if there is one")
	cmd.Flags().StringVar(&f.after, "after", "", "start after `KEY`")
	_ = cmd.RegisterFlagCompletionFunc("after", c.completeKey(1))
	return cmd
}

func (c *connection) export(cmd *cobra.Command, f *exportFlags, prefix string) error {
	if f.resume && f.file == "" {
		return usageError{errors.New("--resume needs a file to continue: add --file FILE")}
	}
	if err := exclusive(cmd, "resume", "after"); err != nil {
		return err
	}
	kv, err := c.dial()
	if err != nil {
		return err
	}
	defer kv.Close()
	x := &exporter{prefix: prefix, last: f.after, progress: newProgress(cmd.ErrOrStderr(), "exported", 0)}
	if f.file == "" {
		err = x.copy(cmd.OutOrStdout(), c.entries(cmd.Context(), kv, x))
	} else {
		err = x.toFile(f, func(out io.Writer) error { return x.copy(out, c.entries(cmd.Context(), kv, x)) })
	}
	x.progress.clear()
	if err == nil || x.written > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "kv: %s entries exported\n", readable(x.written))
	}
	if err != nil && x.written > 0 {
		x.explain(cmd.ErrOrStderr(), f)
	}
	return err
}

func (c *connection) entries(ctx context.Context, kv *client.Client, x *exporter) iter.Seq2[client.Entry, error] {
	return c.patient(ctx, func(ctx context.Context) iter.Seq2[client.Entry, error] {
		return kv.List(ctx, x.prefix, client.StartAfter(x.last), client.PageSize(contract.MaxPageSize))
	})
}

// exporter writes entries as lines.
type exporter struct {
	prefix   string
	last     string // the last key written, or the one to start after; "" for none
	written  int64
	progress *progress
}

// toFile calls write to append to the file, and returns nil only once the data is on disk.
func (x *exporter) toFile(f *exportFlags, write func(io.Writer) error) error {
	file, last, err := openExport(f.file, f.resume)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(last, x.prefix) && last != "" {
		return errors.Join(fmt.Errorf("%s is a different export: its last key %q does not begin with %q", f.file, last, x.prefix), file.Close())
	}
	if f.resume {
		x.last = last
	}
	err = errors.Join(write(file), file.Sync(), file.Close())
	if err != nil && x.written == 0 && !f.resume { // an empty file would block the next attempt
		err = errors.Join(err, os.Remove(f.file))
	}
	return err
}

// copy writes entries to w. If it fails, w still ends with a complete line, unless writing to w failed.
func (x *exporter) copy(w io.Writer, entries iter.Seq2[client.Entry, error]) error {
	out := bufio.NewWriterSize(w, 1<<16)
	for entry, err := range entries {
		if err != nil {
			return errors.Join(err, out.Flush())
		}
		line := newEntryJSON(client.Entry{Key: entry.Key, Value: entry.Value, ExpireTime: entry.ExpireTime})
		if err := printJSON(out, line); err != nil {
			return err
		}
		x.last = entry.Key
		x.written++
		x.progress.show(x.written, 0)
	}
	return out.Flush()
}

// explain prints the command that continues an interrupted export.
func (x *exporter) explain(log io.Writer, f *exportFlags) {
	words := []string{"kv export"}
	if x.prefix != "" {
		words = append(words, shellWord(x.prefix))
	}
	if f.file != "" {
		words = append(words, "--file", shellWord(f.file), "--resume")
	} else {
		words = append(words, "--after", shellWord(x.last))
	}
	fmt.Fprintf(log, "kv: to continue: %s\n", strings.Join(words, " "))
}

// openExport creates the file of an export. With resume, it opens an existing one for appending after its last
// complete line, whose key it returns, and removes an incomplete line after that.
func openExport(name string, resume bool) (file *os.File, last string, err error) {
	flags := os.O_RDWR | os.O_CREATE
	if !resume {
		flags |= os.O_EXCL
	}
	file, err = os.OpenFile(name, flags, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, "", fmt.Errorf("%s already exists: use --resume to continue it, or another name", name)
	}
	if err != nil || !resume {
		return file, "", err
	}
	if last, err = continueExport(file); err != nil {
		return nil, "", errors.Join(fmt.Errorf("%s: %w", name, err), file.Close())
	}
	return file, last, nil
}

// continueExport moves to the end of the last complete line and returns its key.
func continueExport(file *os.File) (string, error) {
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return "", err
	}
	end, err := lineStart(file, size)
	if err != nil {
		return "", err
	}
	start, err := lineStart(file, max(0, end-1))
	if err != nil {
		return "", err
	}
	line := make([]byte, end-start)
	if _, err := file.ReadAt(line, start); err != nil {
		return "", err
	}
	var entry entryJSON
	if len(line) != 0 {
		if err := json.Unmarshal(line, &entry); err != nil || entry.Key == "" {
			return "", errors.New("not an export: the last line is not an entry")
		}
	}
	if err := file.Truncate(end); err != nil {
		return "", err
	}
	_, err = file.Seek(end, io.SeekStart)
	return entry.Key, err
}

// lineStart returns the offset after the last newline before end, or zero if there is none.
func lineStart(file *os.File, end int64) (int64, error) {
	const step = 1 << 16
	for end > 0 {
		start := max(0, end-step)
		chunk := make([]byte, end-start)
		if _, err := file.ReadAt(chunk, start); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(chunk, '\n'); i >= 0 {
			return start + int64(i) + 1, nil
		}
		end = start
	}
	return 0, nil
}
