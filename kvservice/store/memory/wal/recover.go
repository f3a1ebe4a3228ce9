package wal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"key-value/kvservice/store/memory/wal/vfs"
)

// Open locks the directory of fs, loads what it holds, cuts what a crash left at the end of the log, and begins a new
// segment and a new epoch. It fails with a [*DamageError] if anything else does not read, with [ErrNewer] if the format is
// newer, and with [vfs.ErrLocked] if another process has the directory.
func Open(fs vfs.FS, options Options, loader Loader) (*Log, error) {
	l, err := open(fs, options, loader, time.Now)
	if err != nil {
		return nil, err
	}
	l.workers.Go(l.writer.run)
	if l.options.Fsync > 0 {
		l.workers.Go(l.syncer)
	}
	return l, nil
}

// open is Open without the goroutines.
func open(fs vfs.FS, options Options, loader Loader, now func() time.Time) (*Log, error) {
	unlock, err := fs.Lock()
	if err != nil {
		return nil, err
	}
	l := &Log{
		fs: fs, options: options.withDefaults(), unlock: unlock, now: now, start: now(),
		wake: make(chan struct{}, 1), dirty: make(chan struct{}, 1), due: make(chan struct{}, 1),
		failed: make(chan struct{}), closing: make(chan struct{}), round: make(chan struct{}), next: make(chan struct{}),
	}
	l.writer.log = l
	r := &recoverer{fs: fs, loader: loader}
	if err = r.load(); err == nil {
		err = l.begin(r)
	}
	if err != nil {
		return nil, errors.Join(err, unlock.Close())
	}
	return l, nil
}

// recoverer loads a directory.
type recoverer struct {
	fs     vfs.FS
	loader Loader
	found  inventory
	result Recovery
	disk   disk
	tail   *segmentFile // the last segment; nil: there is none
	total  int64        // bytes to load
	done   int64
}

// load loads everything and cuts the end of the last segment.
func (r *recoverer) load() error { return inOrder(r.read, r.cutTail) }

// read loads everything.
func (r *recoverer) read() (err error) {
	if r.found, err = survey(r.fs); err != nil {
		return err
	}
	segments, past := r.found.chain()
	if err := r.measure(segments); err != nil {
		return err
	}
	if n := r.found.latest(); n != 0 {
		if err := r.loadSnapshot(n); err != nil {
			return err
		}
		if len(segments) == past || segments[past] != n {
			return missing(n)
		}
	}
	for i, number := range segments {
		if err := r.loadSegment(number, i < past); err != nil {
			return err
		}
	}
	return nil
}

func missing(number uint64) error {
	return &DamageError{File: segmentName(number), Reason: "the file is missing"}
}

// measure counts the bytes to load.
func (r *recoverer) measure(segments []uint64) error {
	var names []string
	if n := r.found.latest(); n != 0 {
		names = append(names, snapshotName(n))
	}
	for _, n := range segments {
		names = append(names, segmentName(n))
	}
	for _, name := range names {
		size, err := sizeOf(r.fs, name)
		if err != nil {
			return err
		}
		r.total += size
	}
	return nil
}

// sizeOf returns the size of a file.
func sizeOf(fs vfs.FS, name string) (int64, error) {
	f, err := fs.Open(name)
	if err != nil {
		return 0, err
	}
	size, err := f.Size()
	return size, errors.Join(err, f.Close())
}

// advance reports progress.
func (r *recoverer) advance(n int64) {
	r.done += n
	r.loader.Progress(min(r.done, r.total), r.total)
}

// loadSnapshot loads the entries of the snapshot with this number.
func (r *recoverer) loadSnapshot(number uint64) error {
	name := snapshotName(number)
	f, err := r.fs.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return err
	}
	var refused error
	d := &decoder{in: &readAhead{r: r, in: io.NewSectionReader(f, 0, size)}, limit: size}
	t, err := d.read(func(c Change) error {
		refused = r.loader.Entry(c)
		return refused
	})
	switch {
	case refused != nil:
		return refused
	case errors.Is(err, ErrNewer):
		return fmt.Errorf("%s: %w", name, err)
	case err == nil && t.number != number:
		err = fmt.Errorf("it is snapshot %d by its contents", t.number)
		fallthrough
	case err != nil:
		return &DamageError{File: name, Offset: d.at, Reason: err.Error()}
	}
	r.result.Last, r.result.Entries, r.result.Epochs = t.revision, int64(t.entries), t.epochs
	r.disk.snapshot = file{number, size}
	return nil
}

// readAhead reads in large pieces, and reports progress with each.
type readAhead struct {
	r   *recoverer
	in  io.Reader
	buf []byte // read, not yet used
	all []byte
}

func (a *readAhead) Read(p []byte) (int, error) {
	if len(a.buf) == 0 {
		if a.all == nil {
			a.all = make([]byte, 1<<20)
		}
		n, err := a.in.Read(a.all)
		if n == 0 {
			return 0, err
		}
		a.buf = a.all[:n]
		a.r.advance(int64(n))
	}
	n := copy(p, a.buf)
	a.buf = a.buf[n:]
	return n, nil
}

// loadSegment loads a segment, which must follow on from the one before.
func (r *recoverer) loadSegment(number uint64, past bool) error {
	s, err := readSegment(r.fs, number)
	if err != nil {
		return err
	}
	if err := r.follow(s, past); err != nil {
		return err
	}
	var refused error
	err = s.commits(func(changes []Change) error {
		if !past {
			r.result.Commits++
		}
		refused = r.loader.Commit(changes, past)
		return refused
	})
	if refused != nil {
		return refused
	}
	if err != nil && (number != r.found.segments[len(r.found.segments)-1] || !s.torn()) {
		return err
	}
	r.tail = s
	r.disk.segments = append(r.disk.segments, file{number, s.end})
	r.advance(int64(len(s.data)))
	return nil
}

// follow returns an error unless s follows on from the last segment, and from the snapshot.
func (r *recoverer) follow(s *segmentFile, past bool) error {
	if before := r.tail; before != nil {
		switch {
		case s.number != before.number+1:
			return missing(before.number + 1)
		case s.previous != before.end:
			return before.damage(before.end, fmt.Errorf("%s says that it has %d bytes", s.name, s.previous))
		case s.before != before.lastRevision():
			return s.damage(0, fmt.Errorf("it follows on revision %d, and %s ends with %d", s.before, before.name, before.lastRevision()))
		}
		before.data = nil
	}
	begins := !past && (r.tail == nil || s.number == r.found.latest())
	if begins && s.before != r.result.Last {
		return s.damage(0, fmt.Errorf("it follows on revision %d, and what precedes it ends with %d", s.before, r.result.Last))
	}
	return nil
}

// cutTail cuts what follows on the last commit, and keeps a copy unless it is empty. It returns once the rest is on disk: after
// a sync that failed, or a process that was killed, what is read may not be. What nobody knows to be is written again, since
// a sync does not repeat what one before it has failed to write.
func (r *recoverer) cutTail() error {
	s := r.tail
	if s == nil {
		return nil
	}
	r.result.Last, r.result.Epochs = s.lastRevision(), s.epochs
	if cut := s.rest(); cut.File != "" {
		if err := writeFile(r.fs, cut.Copy, s.data[s.end:s.end+cut.Bytes]); err != nil {
			return fmt.Errorf("keep a copy of the end of %s, which a crash left incomplete: %w", s.name, err)
		}
		r.result.Cut = cut
	}
	return rewrite(r.fs, s.name, s.data[s.synced:s.end], s.synced)
}

// rest returns what follows on the last commit, without the zeros at the end. It is the zero Cut if there is nothing.
func (s *segmentFile) rest() Cut {
	n := len(bytes.TrimRight(s.data[s.end:], "\x00"))
	if n == 0 {
		return Cut{}
	}
	return Cut{File: s.name, Offset: s.end, Bytes: int64(n), Copy: copyName(s.name, s.end)}
}

// copyName returns the name of a copy of what is cut from a file.
func copyName(name string, offset int64) string { return fmt.Sprintf("%s.cut-%d", name, offset) }

// writeFile writes a new file, and returns once it is on disk.
func writeFile(fs vfs.FS, name string, data []byte) error {
	f, err := fs.Create(name)
	if err != nil {
		return err
	}
	if _, err = f.WriteAt(data, 0); err == nil {
		err = inOrder(f.Sync, fs.SyncDir)
	}
	return errors.Join(err, f.Close())
}

// rewrite writes data at an offset of a file, cuts what follows, and returns once that is on disk.
func rewrite(fs vfs.FS, name string, data []byte, offset int64) error {
	f, err := fs.Open(name)
	if err != nil {
		return err
	}
	if _, err = f.WriteAt(data, offset); err == nil {
		err = inOrder(func() error { return f.Truncate(offset + int64(len(data))) }, f.Sync)
	}
	return errors.Join(err, f.Close())
}

// inOrder takes steps up to the first one that fails.
func inOrder(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
