package wal

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"key-value/kvservice/store/memory/wal/vfs"
)

// writer writes what has been appended. One goroutine at a time calls its methods, except for sync.
type writer struct {
	log   *Log
	queue []batch // taken, not yet written

	mu      sync.Mutex // held while something is synced, so that the segment stays the current one
	current *segment   // changed with mu and Log.mu held
}

// maxFree is the size up to which a buffer is used again, in bytes.
const maxFree = 4 << 20

// run writes until the log is closed.
func (w *writer) run() {
	for {
		var retry <-chan time.Time
		if err := w.step(); errors.Is(err, vfs.ErrNoRoom) {
			retry = time.After(retryRoom)
		}
		select {
		case <-w.log.wake:
		case <-retry:
		case <-w.log.closing:
			return
		}
	}
}

// step writes what has been appended so far, and syncs it if nothing else may be told. If the file system has no room, it
// returns the error, and the next step tries again. Any other error makes the log fail.
func (w *writer) step() error {
	l := w.log
	l.mu.Lock()
	err := l.err
	l.beginRoundLocked()
	w.queue = append(w.queue, l.pending...)
	clear(l.pending)
	l.pending = l.pending[:0]
	full := l.full || l.stuck
	l.mu.Unlock()
	if err != nil {
		return err
	}
	if full {
		l.removePast()
	}
	if err = w.drain(); err == nil && l.options.Fsync == Always {
		err = w.sync()
	}
	if err == nil {
		err = w.prepare()
	}
	if err != nil && !errors.Is(err, vfs.ErrNoRoom) {
		l.fail(err)
	}
	return err
}

// drain writes the queue.
func (w *writer) drain() error {
	for len(w.queue) > 0 {
		b := w.queue[0]
		if b.segment != w.current {
			if err := w.advance(b.segment); err != nil {
				return err
			}
		}
		if err := w.write(b); err != nil {
			return err
		}
		w.queue[0] = batch{}
		w.queue = w.queue[1:]
	}
	w.queue = nil
	return nil
}

// write writes one batch to the current segment.
func (w *writer) write(b batch) error {
	if len(b.buf) == 0 {
		return nil
	}
	l := w.log
	l.mu.Lock()
	at, synced, alloc := w.current.done, w.current.synced, w.current.alloc
	l.mu.Unlock()
	claimSynced(b.buf, b.segment.salt, synced)
	_, err := b.segment.file.WriteAt(b.buf, at)
	if err == nil && l.options.Fsync == Always {
		err = w.clear(at+int64(len(b.buf)), alloc)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stuck = errors.Is(err, vfs.ErrNoRoom); err != nil {
		return err
	}
	b.segment.done += int64(len(b.buf))
	l.written = b.last
	l.waiting.Add(-int64(len(b.buf)))
	if cap(b.buf) <= maxFree {
		l.free = b.buf
	}
	l.unsyncedLocked(b.last, b.since)
	if l.options.Fsync != Always {
		l.publishLocked()
	}
	return nil
}

// clearBytes is how much is cleared at a time.
const clearBytes = 256 << 10

// zeros is what clear writes.
var zeros [clearBytes]byte

// clear overwrites what follows the first end bytes of the current segment with zeros, unless commits or zeros reach that far,
// and as far as room was allocated for it. A file system marks allocated room as unwritten, and the sync of a write to it must
// then wait for the journal, too; that of a write over zeros need not. It is no error if there is no room for the zeros.
func (w *writer) clear(end, alloc int64) error {
	s := w.current
	n := min(clearBytes, alloc-end)
	if end <= s.cleared || n <= 0 {
		return nil
	}
	s.cleared = end + n
	if _, err := s.file.WriteAt(zeros[:n], end); !errors.Is(err, vfs.ErrNoRoom) {
		return err
	}
	return nil
}

// advance makes next, whose file is the spare, the current segment. It gets its name once its header and all of the segment
// before are on disk, and nothing is written to it until its name is.
func (w *writer) advance(next *segment) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	l, old := w.log, w.current
	if _, err := next.file.WriteAt(next.header, 0); err != nil {
		return err
	}
	err := inOrder(
		next.file.Sync,
		func() error { return old.file.Truncate(old.done) },
		w.syncCurrent,
		func() error { return l.publishSegment(next) },
		old.file.Close,
	)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	next.done = int64(len(next.header))
	next.synced = next.done
	w.current = next
	l.disk.segments = append(l.disk.segments, file{old.number, old.done})
	l.broadcastLocked()
	return nil
}

// sync syncs what has been written to the current segment.
func (w *writer) sync() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.syncCurrent()
}

// syncCurrent is sync with mu held.
func (w *writer) syncCurrent() error {
	l := w.log
	l.mu.Lock()
	done, written, nothing := w.current.done, l.written, w.current.done == w.current.synced
	l.mu.Unlock()
	if nothing {
		return nil
	}
	begin := l.now()
	if err := w.current.file.Sync(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.syncs++
	l.syncTime += l.now().Sub(begin)
	w.current.synced = done
	l.syncedLocked(written)
	return nil
}

// prepare allocates the next segment, unless there is one already, perhaps not renamed yet, or the file system has just had no
// room.
func (w *writer) prepare() error {
	l := w.log
	l.mu.Lock()
	ready := l.spare != nil || l.tail != w.current || l.full && l.now().Before(l.retry)
	l.mu.Unlock()
	if ready {
		return nil
	}
	next, err := l.newSegment()
	if next != nil && err != nil {
		err = errors.Join(err, next.file.Close())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch l.noteRoomLocked(err); {
	case l.full:
		return nil
	case err != nil:
		return err
	}
	l.spare = next
	return nil
}

// newSegment creates a spare. If the file system has no room, it returns a spare without room and [vfs.ErrNoRoom].
func (l *Log) newSegment() (*segment, error) {
	f, err := l.fs.Create(spareName)
	if err != nil {
		return nil, err
	}
	s := &segment{file: f, salt: newSalt()}
	n := l.options.chunk() + l.options.reserve()
	if err := f.Allocate(0, n); err != nil {
		return s, err
	}
	s.alloc = n
	return s, nil
}

// newSalt returns 32 random bits.
func newSalt() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint32(b[:])
}

// syncer syncs what has been written before it is half as old as it may become, until the log is closed.
func (l *Log) syncer() {
	for {
		select {
		case <-l.dirty:
		case <-l.closing:
			return
		}
		oldest := l.oldest.Load()
		if oldest == 0 {
			continue
		}
		due := time.Duration(oldest) + l.options.Fsync/2 - l.sinceStart()
		select {
		case <-time.After(due):
		case <-l.closing:
			return
		}
		if err := l.writer.sync(); err != nil {
			l.fail(err)
			return
		}
	}
}

// close writes and syncs what is left, and marks the end.
func (w *writer) close() error {
	if err := inOrder(w.step, w.sync); err != nil {
		return err
	}
	s := w.current
	end := beginFrame(nil)
	sealFrame(end, 0, endFrame, s.salt)
	claimSynced(end, s.salt, s.done)
	if _, err := s.file.WriteAt(end, s.done); err != nil && !errors.Is(err, vfs.ErrNoRoom) {
		return err
	}
	return inOrder(
		func() error { return s.file.Truncate(s.done + int64(len(end))) },
		s.file.Sync, s.file.Close, w.log.removeSpare,
	)
}

// removeSpare removes the spare.
func (l *Log) removeSpare() error {
	l.mu.Lock()
	spare := l.spare
	l.mu.Unlock()
	if spare == nil {
		return nil
	}
	return errors.Join(spare.file.Close(), l.fs.Remove(spareName))
}
