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

// exportFlags say what is exported, and where to.
type exportFlags struct {
	file   string
	resume bool
	after  string
}

func newExport(getenv func(string) string) *cobra.Command {
	c, f := &connection{getenv: getenv}, &exportFlags{}
	cmd := &cobra.Command{
		Use:   "export [PREFIX]",
		Short: "Write entries to a file, one line each",
		Long: `Write the entries whose keys begin with PREFIX, or all of them, to standard output or a file: one JSON object a
line, in byte order of the keys, with the time when the entry expires, if it does.

  {"key":"a","value":"text"}
  {"key":"b","data":"AAEC","expireTime":"2030-01-02T03:04:05Z"}

An export is not a picture of one instant: the store goes on while it is read. A key that is there throughout is in it,
once; one that is written or deleted meanwhile is in it as it was when its turn came, or not.

One that was cut off goes on with --resume, which throws away an unfinished last line, or with --after. Both pass over
the keys before, without fetching their values.`,
		Example: `  kv export --file backup.ndjson
  kv export --file backup.ndjson --resume
  kv export users/ | gzip > users.ndjson.gz
  kv export users/ --after users/4711`,
		Args:              cobra.MaximumNArgs(1),
		RunE:              func(cmd *cobra.Command, args []string) error { return c.export(cmd, f, append(args, "")[0]) },
		ValidArgsFunction: c.completePrefix,
	}
	c.flags(cmd)
	cmd.Flags().StringVarP(&f.file, "file", "f", "", "write to this `FILE`, which must not exist yet")
	cmd.Flags().BoolVar(&f.resume, "resume", false, "go on behind the last entry of FILE, if there is one")
	cmd.Flags().StringVar(&f.after, "after", "", "begin behind this `KEY`")
	_ = cmd.RegisterFlagCompletionFunc("after", c.completeKey(1))
	return cmd
}

func (c *connection) export(cmd *cobra.Command, f *exportFlags, prefix string) error {
	if f.resume && f.file == "" {
		return usageError{errors.New("--resume goes on with a file: say which with --file FILE")}
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
	last     string // the key behind which to go on
	written  int64
	progress *progress
}

// toFile has write append to the file, and reports no success before it is on the disk.
func (x *exporter) toFile(f *exportFlags, write func(io.Writer) error) error {
	file, last, err := openExport(f.file, f.resume)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(last, x.prefix) && last != "" {
		return errors.Join(fmt.Errorf("%s ends with the key %q, which is not one of the prefix %q: it is another export", f.file, last, x.prefix), file.Close())
	}
	if f.resume {
		x.last = last
	}
	err = errors.Join(write(file), file.Sync(), file.Close())
	if err != nil && x.written == 0 && !f.resume { // it would be in the way of the next attempt
		err = errors.Join(err, os.Remove(f.file))
	}
	return err
}

// copy writes whole lines alone, whatever goes wrong.
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

// explain says how to go on with an export that was cut off.
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
	fmt.Fprintf(log, "kv: to go on from here: %s\n", strings.Join(words, " "))
}

// openExport opens a new file, or one to go on with behind its last whole line, of which it returns the key. A last line
// that has no end is cut off.
func openExport(name string, resume bool) (file *os.File, last string, err error) {
	flags := os.O_RDWR | os.O_CREATE
	if !resume {
		flags |= os.O_EXCL
	}
	file, err = os.OpenFile(name, flags, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, "", fmt.Errorf("%s is there already: --resume goes on with it; or choose another name", name)
	}
	if err != nil || !resume {
		return file, "", err
	}
	if last, err = continueExport(file); err != nil {
		return nil, "", errors.Join(fmt.Errorf("%s: %w", name, err), file.Close())
	}
	return file, last, nil
}

// continueExport moves to the end of the last whole line and returns its key.
func continueExport(file *os.File) (string, error) {
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return "", err
	}
	end, err := breakBefore(file, size)
	if err != nil {
		return "", err
	}
	start, err := breakBefore(file, max(0, end-1))
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
			return "", errors.New("its last line is no entry, so that it is no export to go on with")
		}
	}
	if err := file.Truncate(end); err != nil {
		return "", err
	}
	_, err = file.Seek(end, io.SeekStart)
	return entry.Key, err
}

// breakBefore returns where the last line break before end ends; zero if there is none.
func breakBefore(file *os.File, end int64) (int64, error) {
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
