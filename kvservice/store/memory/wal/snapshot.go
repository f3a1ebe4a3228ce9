package wal

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"time"

	"key-value/kvservice/store/memory/wal/vfs"
)

// errWriting: there is a snapshot that has neither been completed nor discarded.
var errWriting = errors.New("another snapshot is being written")

// progress is how far the next snapshot is.
type progress struct {
	logged  int64 // bytes appended since the latest snapshot began
	limit   int64 // a snapshot is due at so many
	writing bool  // a snapshot is being written
}

// SnapshotDue receives a value when a snapshot is due.
func (l *Log) SnapshotDue() <-chan struct{} { return l.due }

// grewLocked counts what was appended.
func (l *Log) grewLocked(n int64) {
	l.progress.logged += n
	if !l.progress.writing && l.progress.logged >= l.progress.limit {
		signal(l.due)
	}
}

// Cut begins a snapshot of all entries as they are after the last commit that was appended, and a new segment for those
// that follow. It fails with [ErrFull], or if another snapshot is being written; then nothing has changed. The caller must
// hold the lock that orders writers, and get hold of the entries before it gives the lock back.
func (l *Log) Cut() (*Snapshot, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.err != nil:
		return nil, l.err
	case l.progress.writing:
		return nil, errWriting
	case l.spare == nil:
		l.wakeWriter()
		return nil, fmt.Errorf("%w: the next segment is not allocated", ErrFull)
	}
	l.rotateLocked()
	l.progress.writing, l.progress.logged = true, 0
	return &Snapshot{log: l, number: l.tail.number, revision: l.last}, nil
}

// Snapshot is a snapshot being written. It ends with Commit or Discard. One goroutine at a time may use it.
type Snapshot struct {
	log      *Log
	number   uint64
	revision uint64
	file     vfs.File // nil: not created yet
	encoder  *encoder
	since    int       // bytes encoded since other goroutines went first
	rested   time.Time // when the last rest ended
}

func (s *Snapshot) name() string { return snapshotName(s.number) }

const (
	// yieldBytes is how much of a snapshot is encoded, in bytes, before calls that wait for a processor go first.
	yieldBytes = 16 << 10
	// restAfter is how long a snapshot is written before a rest, and maxRest is the longest rest.
	restAfter, maxRest = 300 * time.Microsecond, 2 * time.Millisecond
)

// Add adds an entry. Keys must ascend. Now and then it lets other goroutines go first.
func (s *Snapshot) Add(entry Change) error {
	if err := s.open(); err != nil {
		return err
	}
	if s.since += len(entry.Key) + len(entry.Value); s.since >= yieldBytes {
		s.since = 0
		s.yield()
	}
	return s.encoder.add(&entry)
}

// yield lets other goroutines go first. Unless the log grows so fast that the snapshot must end soon, it also leaves the
// processor to other threads for as long as it has been used.
func (s *Snapshot) yield() {
	runtime.Gosched()
	if took := time.Since(s.rested); took >= restAfter && !s.log.growsFast() {
		time.Sleep(min(took, maxRest))
		s.rested = time.Now()
	}
}

// growsFast reports whether the log has grown so much since the latest snapshot began that the next one may soon be due.
func (l *Log) growsFast() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.progress.logged >= l.progress.limit/8
}

// open creates the file.
func (s *Snapshot) open() error {
	if s.file != nil {
		return nil
	}
	f, err := s.log.fs.Create(s.name() + tempSuffix)
	if err != nil {
		return err
	}
	s.file, s.rested = f, time.Now()
	s.encoder = newEncoder(&fileWriter{file: f})
	return nil
}

// Commit completes the snapshot, and deletes files that are not needed any more. It waits until the segment that follows on
// the snapshot is on disk. The snapshot must be discarded if it fails.
func (s *Snapshot) Commit(ctx context.Context) error {
	l := s.log
	if err := s.open(); err != nil {
		return err
	}
	if err := s.encoder.finish(trailer{number: s.number, revision: s.revision, epochs: l.recovery.Epochs}); err != nil {
		return err
	}
	if err := s.file.Sync(); err != nil {
		return err
	}
	if err := l.waitSegment(ctx, s.number); err != nil {
		return err
	}
	if err := l.fs.Rename(s.name()+tempSuffix, s.name()); err != nil {
		return err
	}
	if err := l.fs.SyncDir(); err != nil {
		l.fail(err) // nobody knows which snapshot a restart would find
		return err
	}
	err := s.file.Close()
	s.file = nil
	l.replaceSnapshot(file{s.number, s.encoder.written})
	return err
}

// waitSegment waits until the segment with this number is on disk.
func (l *Log) waitSegment(ctx context.Context, number uint64) error {
	for {
		l.mu.Lock()
		n := len(l.disk.segments)
		err, round, there := l.err, l.round, n > 0 && l.disk.segments[n-1].number+1 >= number
		l.mu.Unlock()
		if err != nil || there {
			return err
		}
		select {
		case <-round:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// replaceSnapshot notes that a snapshot is complete, and removes what it replaces.
func (l *Log) replaceSnapshot(latest file) {
	l.mu.Lock()
	old := l.disk.snapshot
	l.disk.snapshot, l.disk.complete = latest, l.now()
	l.progress.writing, l.progress.limit = false, max(l.options.SnapshotBytes, latest.bytes)
	l.mu.Unlock()
	if old.number != 0 {
		_ = l.fs.Remove(snapshotName(old.number)) // what is left of it is ignored, and removed at the next start
	}
	l.removeSegments(l.options.HistoryBytes)
}

// Discard removes an incomplete snapshot. The next one is due once the log has grown again.
func (s *Snapshot) Discard() {
	l := s.log
	if s.file != nil {
		_, _ = s.file.Close(), l.fs.Remove(s.name()+tempSuffix)
		s.file = nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.progress.writing = false
	l.progress.limit = l.progress.logged + l.options.SnapshotBytes/4
}

// fileWriter writes to a file from its beginning, and syncs now and then, so that there is never much to sync at once.
type fileWriter struct {
	file   vfs.File
	at     int64
	synced int64
}

// syncEvery is how much of a snapshot is written between two syncs, in bytes.
const syncEvery = 8 << 20

func (w *fileWriter) Write(p []byte) (int, error) {
	n, err := w.file.WriteAt(p, w.at)
	w.at += int64(n)
	if err == nil && w.at-w.synced >= syncEvery {
		w.synced = w.at
		err = w.file.Sync()
	}
	return n, err
}

// trailer is the last frame of a snapshot.
type trailer struct {
	number   uint64 // of the segment that follows; zero in a backup
	revision uint64 // the last one; zero: there was none
	entries  uint64
	epochs   Epochs // of the entries; none: the revisions only say in which order the entries were written
}

func (t *trailer) append(dst []byte) []byte {
	for _, n := range []uint64{t.number, t.revision, t.entries} {
		dst = binary.LittleEndian.AppendUint64(dst, n)
	}
	return t.epochs.append(dst)
}

func parseTrailer(body []byte) (trailer, error) {
	r := reader{rest: body}
	t := trailer{number: r.uint64(), revision: r.uint64(), entries: r.uint64()}
	t.epochs = r.epochs()
	return t, r.end()
}
