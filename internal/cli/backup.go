package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"key-value/client"
	"key-value/internal/atomicfile"
	"key-value/internal/contract"
	"key-value/kvservice/store/memory/wal"
)

func newBackup(getenv func(string) string) *cobra.Command {
	c, file := &connection{getenv: getenv}, ""
	cmd := &cobra.Command{
		Use:   "backup",
		Short: "Write a backup of a running store",
		Long: `Write a backup of all entries to standard output or a file, while the store
runs. kv restore makes a data directory from it, in which entries have the same
revisions, etags, times and TTLs.

The backup shows the store at one instant. If the store changes so fast that it
cannot keep that instant until the backup is complete, the backup starts again,
up to five times; a larger --watch-history of the store helps. The entries of a
store in Redis or etcd are read one page after another: that is not one instant,
and they get new revisions and etags.

FILE must not exist. It appears once the backup is complete and on disk.`,
		Example: `  kv backup --file kv.backup
  kv backup | gzip > kv.backup.gz`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.backup(cmd, file) },
	}
	c.flags(cmd)
	cmd.Flags().StringVarP(&file, "file", "f", "", "write to `FILE`, which must not exist")
	return cmd
}

func (c *connection) backup(cmd *cobra.Command, file string) error {
	if file == "" && isTerminal(cmd.OutOrStdout()) {
		return usageError{errors.New("a backup is not text: redirect it, or add --file FILE")}
	}
	ctx, cancel, kv, err := c.open(cmd.Context())
	if err != nil {
		return err
	}
	defer cancel()
	stats, err := kv.Stats(ctx)
	if err != nil {
		return err
	}
	b := &backupWriter{connection: c, kv: kv, progress: newProgress(cmd.ErrOrStderr(), "backed up", 0)}
	write := b.snapshot
	if stats.Guarantees.Engine != "memory" {
		write = b.pages
	}
	if file == "" {
		b.reset = func() error { return errors.New("standard output has a part of it already: use --file FILE") }
		err = write(cmd.Context(), cmd.OutOrStdout())
	} else {
		err = writeNew(file, func(f *os.File) error {
			b.reset = func() error { _, seekErr := f.Seek(0, io.SeekStart); return errors.Join(seekErr, f.Truncate(0)) }
			return write(cmd.Context(), f)
		})
	}
	b.progress.clear()
	if err == nil {
		note(cmd.ErrOrStderr(), "%s backed up", entriesOf(b.entries))
	}
	return err
}

// writeNew calls write with a temporary file, and gives it its name once it is complete and on disk.
func writeNew(name string, write func(*os.File) error) error {
	if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = fmt.Errorf("%s already exists: delete it, or use another name", name)
		}
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	if err = write(f); err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		if err = atomicfile.Publish(f.Name(), name); errors.Is(err, fs.ErrExist) {
			err = fmt.Errorf("%s was created meanwhile: delete it, or use another name", name)
		}
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// backupWriter writes a backup.
type backupWriter struct {
	*connection
	kv       *client.Client
	reset    func() error // removes what was written, or says that this cannot be done
	entries  int64
	progress *progress
}

// backupAttempts is how often a backup starts.
const backupAttempts = 5

// errInstant: the store did not keep the instant of a backup until it was complete.
var errInstant = fmt.Errorf("the store changed too fast for a backup in %d attempts: start it with a larger --watch-history", backupAttempts)

// snapshot writes the entries of one instant.
func (b *backupWriter) snapshot(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := time.AfterFunc(b.timeout, func() { cancel(errPageTimeout) })
	defer stalled.Stop()
	to, epochs := wal.NewBackup(out), &epochsSeen{}
	attempts := 1
	for event, err := range b.kv.Watch(ctx, "", client.FromSnapshot(), client.StartOver()) {
		stalled.Stop()
		switch {
		case err != nil:
			return b.timedOut(ctx, err)
		case event.Type == client.EventPut && event.ResumeToken == "":
			err = b.add(to, epochs, event.Entry)
		case event.Type == client.EventSync:
			return b.finish(to, epochs, event.ResumeToken)
		case event.Type == client.EventReset && attempts == backupAttempts:
			err = errInstant
		case event.Type == client.EventReset:
			attempts++
			if to.Entries() > 0 {
				err = b.reset()
			}
			to, epochs, b.entries = wal.NewBackup(out), &epochsSeen{}, 0
		default:
			err = fmt.Errorf("the store sent %s within a snapshot", event.Type)
		}
		if err != nil {
			return err
		}
		stalled.Reset(b.timeout)
	}
	return b.timedOut(ctx, ctx.Err())
}

func (b *backupWriter) add(to *wal.Backup, epochs *epochsSeen, e client.Entry) error {
	if err := epochs.add(e.ETag); err != nil {
		return fmt.Errorf("key %s: %w", quoted(e.Key), err)
	}
	return b.write(to, e, e.Revision)
}

// write adds an entry to the backup.
func (b *backupWriter) write(to *wal.Backup, e client.Entry, revision uint64) error {
	c := wal.Change{Revision: revision, Updated: e.UpdateTime.UnixNano(), Key: e.Key, Value: e.Value}
	if !e.ExpireTime.IsZero() {
		c.Deadline = e.ExpireTime.UnixNano()
	}
	b.entries++
	b.progress.show(b.entries, 0)
	return to.Add(c)
}

// finish completes the backup of the instant that a resume token names.
func (b *backupWriter) finish(to *wal.Backup, epochs *epochsSeen, token string) error {
	last, err := epochs.end(token)
	if err != nil {
		return err
	}
	return to.Finish(last, epochs.all())
}

// pages writes the entries of all pages of a listing.
func (b *backupWriter) pages(ctx context.Context, out io.Writer) error {
	to := wal.NewBackup(out)
	entries := b.patient(ctx, func(ctx context.Context) iter.Seq2[client.Entry, error] {
		return b.kv.List(ctx, "", client.PageSize(contract.MaxPageSize))
	})
	for e, err := range entries {
		if err == nil {
			err = b.write(to, e, 0)
		}
		if err != nil {
			return err
		}
	}
	return to.Finish(0, nil)
}
