package cli

import (
	"bufio"
	"context"
	"errors"
	"io"
	"iter"
	"os"

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
standard output or a file: one JSON object per line, in byte order of the keys.
For an entry that expires, it has the time at which it does, and the TTL that it
had left when it was read, which an import restores.

    {"key":"a","value":"text"}
    {"key":"b","data":"AAEC","expireTime":"2030-01-02T03:04:05Z","ttl":"3600s"}

An export is not a snapshot: the store stays writable meanwhile. A key that
exists throughout is exported exactly once. A key that is written or deleted
meanwhile is exported as it was when it was read, or not at all.

FILE appears once the export is complete; until then, it is FILE.partial. An
interrupted export continues with --resume, or with --after. Neither fetches the
values of earlier keys. --resume also continues a FILE, if an export of PREFIX
wrote all of it, and refuses any other. It removes an incomplete last line.`,
		Example: `  kv export --file backup.ndjson
  kv export --file backup.ndjson --resume
  kv export users/ | gzip > users.ndjson.gz
  kv export users/ --after users/4711`,
		Args:              cobra.MaximumNArgs(1),
		RunE:              func(cmd *cobra.Command, args []string) error { return c.export(cmd, f, append(args, "")[0]) },
		ValidArgsFunction: c.completePrefix,
	}
	c.flags(cmd)
	cmd.Flags().StringVarP(&f.file, "file", "f", "", "write to `FILE`: a new file, device or pipe; with --resume also an existing file")
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
	if !f.resume && names(f.file, cmd.OutOrStdout()) {
		f.file = ""
	}
	log := cmd.ErrOrStderr()
	if f.file == "" && isTerminal(cmd.OutOrStdout()) { // where lines of progress would be between those of entries
		log = io.Discard
	}
	x := &exporter{prefix: prefix, last: f.after, progress: newProgress(log, "exported", 0)}
	if f.file == "" {
		err = x.copy(cmd.OutOrStdout(), c.entries(cmd.Context(), kv, x))
	} else {
		err = x.toFile(f, func(out io.Writer) error { return x.copy(out, c.entries(cmd.Context(), kv, x)) })
	}
	x.progress.clear()
	if err == nil || x.written > 0 && !x.unsure {
		note(cmd.ErrOrStderr(), "%s exported", entriesOf(x.written))
	}
	if err != nil && x.written > 0 {
		x.explain(cmd.ErrOrStderr(), f, c.words())
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
	unsure   bool // writing failed: not all of these have arrived
	progress *progress
}

// toFile calls write with the file open for appending, and returns nil only once the data is on disk.
func (x *exporter) toFile(f *exportFlags, write func(io.Writer) error) error {
	file, err := openExport(f.file, x.prefix, f.resume)
	if err != nil {
		return err
	}
	if f.resume {
		x.last = file.last
	}
	err = write(file)
	return file.finish(err, x.written > 0)
}

// copy writes entries to w. If it fails, w still ends with a complete line, unless writing to w failed.
func (x *exporter) copy(w io.Writer, entries iter.Seq2[client.Entry, error]) error {
	out := bufio.NewWriterSize(w, 1<<16)
	for entry, err := range entries {
		if err != nil {
			return errors.Join(err, x.wrote(out.Flush()))
		}
		line := newEntryJSON(client.Entry{Key: entry.Key, Value: entry.Value, ExpireTime: entry.ExpireTime, TTL: entry.TTL})
		if err := x.wrote(printJSON(out, line)); err != nil {
			return err
		}
		x.last = entry.Key
		x.written++
		x.progress.show(x.written, 0)
	}
	return x.wrote(out.Flush())
}

// wrote notes whether writing failed, after which nobody knows which entries arrived.
func (x *exporter) wrote(err error) error {
	x.unsure = x.unsure || err != nil
	return err
}

// explain prints the command that continues an interrupted export, if that is known. Words are its flags that say how to
// connect.
func (x *exporter) explain(log io.Writer, f *exportFlags, words []string) {
	info, err := os.Stat(f.file)
	resumable := f.file != "" && (err != nil || info.Mode().IsRegular())
	if x.unsure && !resumable {
		return
	}
	flags := []string{"--after", shellWord(x.last)}
	if resumable {
		flags = []string{"--file", shellWord(f.file), "--resume"}
	}
	note(log, "to continue: %s", commandLine("kv export", x.prefix, append(words, flags...)...))
}

// names reports whether file names what out writes to, as /dev/stdout does.
func names(file string, out io.Writer) bool {
	stream, ok := out.(*os.File)
	if !ok {
		return false
	}
	a, err := os.Stat(file)
	b, outErr := stream.Stat()
	return err == nil && outErr == nil && os.SameFile(a, b)
}
