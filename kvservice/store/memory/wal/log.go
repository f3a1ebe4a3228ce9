package wal

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"key-value/internal/lazyctx"
	"key-value/kvservice/store/memory/wal/vfs"
)

// Log is an open log. Create one with [Open].
type Log struct {
	fs       vfs.FS
	options  Options
	recovery Recovery
	unlock   io.Closer
	writer   writer
	workers  sync.WaitGroup
	now      func() time.Time // time.Now, or what a test says
	start    time.Time
	wake     chan struct{} // has a value if the writer has something to do
	dirty    chan struct{} // has a value if the syncer has something to do
	due      chan struct{} // has a value if a snapshot is due
	failed   chan struct{} // closed after err is set
	closing  chan struct{} // closed by Close

	waiter lazyctx.Waiter // for [Log.Wait]

	told    atomic.Uint64
	oldest  atomic.Int64 // when the oldest commit that is not synced was appended, in nanoseconds after start; zero: none
	waiting atomic.Int64 // bytes that were appended and are not written

	mu       sync.Mutex
	err      error         // why nothing is acknowledged any more; guarded by mu, like all below
	taken    uint64        // the last revision that the writer has taken
	round    chan struct{} // closed when told grows or something fails, and replaced: for what the writer has taken
	next     chan struct{} // the round of what it has not taken
	tail     *segment      // where the next commit goes
	last     uint64        // the last revision that was appended
	written  uint64        // the last revision that the kernel has
	synced   uint64        // the last revision that is on disk
	pending  []batch       // appended, not yet taken by the writer
	free     []byte        // a buffer to use again
	spare    *segment      // the next segment, which has no number yet; nil: it is not allocated yet
	full     bool          // the last attempt to get room failed
	retry    time.Time     // when to try again
	stuck    bool          // what was appended has no room
	ages     []age         // of commits that are not synced, oldest first, if there is a bound
	syncs    int64
	syncTime time.Duration
	disk     disk
	progress progress // towards the next snapshot
}

// batch is a part of a segment that is to be written.
type batch struct {
	segment *segment
	buf     []byte
	last    uint64    // the last revision in it; zero: there is none
	since   time.Time // when its first commit was appended
}

// segment is a segment of this start.
type segment struct {
	file   vfs.File
	number uint64
	salt   uint32
	header []byte
	size   int64 // with what is pending, in bytes; guarded by Log.mu, like all below
	alloc  int64 // bytes that there is room for
	done   int64 // bytes that the kernel has
	synced int64 // bytes that are on disk

	cleared int64 // bytes up to which it has commits or zeros; only the writer uses it
}

// sinceStart returns how long ago the log was opened.
func (l *Log) sinceStart() time.Duration { return l.now().Sub(l.start) }

// broken returns why nothing is acknowledged any more, or nil. It takes no lock while all is well.
func (l *Log) broken() error {
	select {
	case <-l.failed:
		return l.Err()
	case <-l.closing:
		return ErrClosed
	default:
		return nil
	}
}

// Recovery returns what Open has found.
func (l *Log) Recovery() Recovery { return l.recovery }

// Failed is closed when a write or a sync has failed: nothing is acknowledged any more, and the process should end.
func (l *Log) Failed() <-chan struct{} { return l.failed }

// Err returns why the log has failed, or nil.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// fail makes err the reason why nothing is acknowledged any more, unless there is one already.
func (l *Log) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failLocked(err)
}

func (l *Log) failLocked(err error) {
	if l.err == nil {
		l.err = fmt.Errorf("%w: %w", ErrFailed, err)
		close(l.failed)
		l.broadcastLocked()
	}
}

// broadcastLocked wakes all that wait.
func (l *Log) broadcastLocked() {
	l.endRoundLocked()
	close(l.next)
	l.next = make(chan struct{})
}

// Reserve makes sure that there is room on disk for a commit of so many changes, whose keys and values have payload bytes
// together. It fails with [ErrFull], soon, and succeeds again once there is room. Removals may use room that is kept for
// them. The caller must hold the lock that orders writers until it has appended the commit.
func (l *Log) Reserve(changes, payload int, removal bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	need := commitBytes(changes, payload)
	room := l.tail.alloc - l.tail.size
	switch {
	case room >= need+l.options.reserve(), removal && room >= need:
		return nil
	case l.err != nil:
		return l.err
	case l.full && l.now().Before(l.retry):
		return ErrFull
	}
	return l.growLocked(need + l.options.reserve() - room)
}

// retryRoom is how long to wait after the file system had no room.
const retryRoom = 50 * time.Millisecond

// growLocked allocates at least n more bytes for the tail.
func (l *Log) growLocked(n int64) error {
	n = max(n, l.options.chunk())
	err := l.tail.file.Allocate(l.tail.alloc, n)
	l.noteRoomLocked(err)
	switch {
	case err == nil:
		l.tail.alloc += n
		return nil
	case errors.Is(err, vfs.ErrNoRoom):
		return ErrFull
	}
	l.failLocked(err)
	return l.err
}

// noteRoomLocked notes whether the file system had room.
func (l *Log) noteRoomLocked(err error) {
	if l.full = errors.Is(err, vfs.ErrNoRoom); l.full {
		l.retry = l.now().Add(retryRoom)
		l.wakeWriter() // to remove what is only kept for watches
	}
}

// Append appends a commit, of which all changes survive a crash or none. Their revisions must follow on from each other and
// from the last commit. It copies the changes and never waits for the disk. The caller must hold the lock that orders
// writers.
func (l *Log) Append(changes []Change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tail.size >= l.options.SegmentBytes && l.spare != nil {
		l.rotateLocked()
	}
	if n := len(l.pending); n == 0 || l.pending[n-1].segment != l.tail {
		l.pending = append(l.pending, batch{segment: l.tail, buf: l.free[:0], since: l.now()})
		l.free = nil
	}
	b := &l.pending[len(l.pending)-1]
	before := len(b.buf)
	b.buf = appendCommit(b.buf, l.tail.salt, changes)
	b.last = changes[len(changes)-1].Revision
	l.last = b.last
	size := int64(len(b.buf) - before)
	l.tail.size += size
	l.waiting.Add(size)
	l.grewLocked(size)
	l.wakeWriter()
}

// wakeWriter makes the writer look for something to do.
func (l *Log) wakeWriter() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// rotateLocked makes the spare the tail. What has been appended so far goes to the segments before, and ends at this byte.
func (l *Log) rotateLocked() {
	before, next := l.tail, l.spare
	next.number = before.number + 1
	h := segmentHeader{
		salt: next.salt, number: next.number, previous: before.size, before: l.last, first: max(l.last+1, l.recovery.First),
		epochs: l.recovery.Epochs,
	}
	next.header = h.append(nil)
	next.size = int64(len(next.header))
	l.tail, l.spare = next, nil
	l.pending = append(l.pending, batch{segment: next, since: l.now()})
	l.wakeWriter()
}

// Close writes and syncs what was appended, and unlocks the directory. No other method may be called meanwhile, except for
// Wait and Told.
func (l *Log) Close() error {
	close(l.closing)
	l.workers.Wait()
	err := l.writer.close()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = ErrClosed
	}
	l.broadcastLocked()
	return errors.Join(err, l.unlock.Close())
}
