package wal

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"key-value/kvservice/store/memory/wal/vfs"
)

// Backup writes a backup: a snapshot that belongs to no log. Create one with [NewBackup].
type Backup struct {
	encoder *encoder
	last    uint64 // the greatest revision
}

// NewBackup returns a backup that is written to out, in large pieces.
func NewBackup(out io.Writer) *Backup { return &Backup{encoder: newEncoder(out)} }

// Add adds an entry. Keys must ascend. An entry without a revision gets one after the greatest so far.
func (b *Backup) Add(entry Change) error {
	entry.Kind = Put
	if entry.Revision == 0 {
		entry.Revision = b.last + 1
	}
	b.last = max(b.last, entry.Revision)
	return b.encoder.add(&entry)
}

// Finish completes the backup. Last is the last revision that its store had, or zero if that is the greatest one of an entry.
// Epochs are those that wrote the entries; without any, they get a new one.
func (b *Backup) Finish(last uint64, epochs Epochs) error {
	if len(epochs) == 0 {
		epochs = Epochs{{ID: newEpoch(), First: 1}}
	}
	if !epochs.ordered() {
		return fmt.Errorf("epochs of a backup are not in order: %v", epochs)
	}
	return b.encoder.finish(trailer{revision: max(b.last, last), epochs: epochs})
}

// Entries returns how many entries have been added.
func (b *Backup) Entries() int64 { return int64(b.encoder.entries) }

// ErrNotEmpty is returned by [Restore] for a directory that has files.
var ErrNotEmpty = errors.New("directory is not empty")

// Restored is what [Restore] has restored.
type Restored struct {
	Entries int64
	Last    uint64 // the last revision
}

// Restore makes the backup that it reads from in the contents of the directory of fs, which must be empty. Entries keep their
// revisions, etags and times. It fails with [ErrNotEmpty], with [vfs.ErrLocked], with [ErrNewer], or if the backup does not
// read to its end; then the directory is left as it was. After a crash it may be left with files with which no log opens.
func Restore(fs vfs.FS, in io.Reader) (Restored, error) {
	unlock, err := fs.Lock()
	if err != nil {
		return Restored{}, err
	}
	names, err := fs.List()
	if err == nil && len(names) > 0 {
		err = fmt.Errorf("%w: it has %s", ErrNotEmpty, names[0])
	}
	var r Restored
	if err == nil {
		r, err = restore(fs, in)
	}
	return r, errors.Join(err, unlock.Close())
}

// restore is Restore into an empty directory.
func restore(fs vfs.FS, in io.Reader) (Restored, error) {
	temp := snapshotName(1) + tempSuffix
	f, err := fs.Create(temp)
	if err != nil {
		return Restored{}, err
	}
	r, epochs, err := copyBackup(f, in)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return Restored{}, errors.Join(err, fs.Remove(temp))
	}
	return r, inOrder( // a snapshot without its segment would be damage
		func() error { return writeSegment(fs, 1, r.Last, epochs) },
		func() error { return fs.Rename(temp, snapshotName(1)) },
		fs.SyncDir,
	)
}

// copyBackup writes the backup that it reads from in to f, as the snapshot of segment 1.
func copyBackup(f vfs.File, in io.Reader) (Restored, Epochs, error) {
	e := newEncoder(&fileWriter{file: f})
	d := &decoder{in: bufio.NewReaderSize(in, 1<<20), limit: -1}
	t, err := d.read(func(c Change) error { return e.add(&c) })
	if errors.Is(err, ErrNewer) {
		return Restored{}, nil, err
	}
	if err != nil {
		return Restored{}, nil, fmt.Errorf("backup does not read at byte %d: %w", d.at, err)
	}
	if len(t.epochs) == 0 {
		return Restored{}, nil, errors.New("backup has no epoch")
	}
	t.number = 1
	return Restored{int64(t.entries), t.revision}, t.epochs, e.finish(t)
}
