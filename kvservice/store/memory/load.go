package memory

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"key-value/kvservice/store"
	"key-value/kvservice/store/clock"
	"key-value/kvservice/store/memory/tree"
	"key-value/kvservice/store/memory/wal"
)

// loader receives what the log has, before the engine begins.
type loader struct {
	ctx      context.Context
	engine   *Engine
	at       clock.Reading
	progress func(loaded, done, total int64) // may be nil
	loaded   int64                           // entries and changes

	// The changes that watches can resume from, oldest first, without the first ones. They have so many bytes.
	past    []*tree.Entry
	dropped int
	bytes   int64
}

// Entry loads an entry of the snapshot.
func (l *loader) Entry(c wal.Change) error {
	l.engine.tree.Put(l.pack(c, store.Put, c.Value))
	return l.count()
}

// count counts an entry or change. It fails with the error of the context, now and then.
func (l *loader) count() error {
	if l.loaded++; l.loaded%1024 == 0 {
		return l.ctx.Err()
	}
	return nil
}

// Commit loads changes of the log.
func (l *loader) Commit(changes []wal.Change, past bool) error {
	for _, c := range changes {
		entry, err := l.change(c, past)
		if err != nil {
			return err
		}
		l.remember(entry)
		if err := l.count(); err != nil {
			return err
		}
	}
	return nil
}

// Progress reports how many of how many bytes are loaded.
func (l *loader) Progress(done, total int64) {
	if l.progress != nil {
		l.progress(l.loaded, done, total)
	}
}

// change returns a change as one of the history. Unless it is past, it applies it.
func (l *loader) change(c wal.Change, past bool) (*tree.Entry, error) {
	t := l.engine.tree
	found := t.Peek(c.Key)
	switch c.Kind {
	case wal.Put:
		if past && found != nil && found.Revision == c.Revision {
			return found, nil
		}
		put := l.pack(c, store.Put, c.Value)
		if !past {
			t.Put(put)
		}
		return put, nil
	case wal.Touch:
		if !past {
			if found == nil {
				return nil, fmt.Errorf("revision %d touches the key %q, which does not exist", c.Revision, c.Key)
			}
			t.Put(l.pack(c, store.Put, found.Value()))
		}
		return l.pack(c, store.Touched, nil), nil
	}
	if !past && found != nil {
		t.Remove(c.Key)
	}
	return l.pack(c, removals[c.Kind], nil), nil
}

// removals are the events of changes that remove an entry.
var removals = map[wal.Kind]store.EventType{
	wal.Delete: store.Deleted, wal.Expire: store.Expired, wal.Evict: store.Evicted,
}

// pack returns c as an entry of this kind, with times by the engine's clock.
func (l *loader) pack(c wal.Change, kind store.EventType, value []byte) *tree.Entry {
	h := tree.Head{Kind: kind, Revision: c.Revision, Updated: l.at.Instant(c.Updated), Deadline: tree.Never}
	if c.Deadline != 0 {
		h.Deadline = l.at.Instant(c.Deadline)
	}
	return tree.Pack(h, c.Key, value)
}

// remember keeps a change for the history, and drops those before it that do not fit.
func (l *loader) remember(entry *tree.Entry) {
	l.past = append(l.past, entry)
	for l.bytes += entry.Bytes() + slotBytes; l.bytes > l.engine.options.History() && l.dropped+1 < len(l.past); l.dropped++ {
		l.bytes -= l.past[l.dropped].Bytes() + slotBytes
		l.past[l.dropped] = nil
	}
	if l.dropped > len(l.past)/2 {
		l.past, l.dropped = append([]*tree.Entry{}, l.past[l.dropped:]...), 0
	}
}

// snapshotWhenDue writes snapshots when the log says so, until the engine is closed.
func (e *Engine) snapshotWhenDue() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	e.workers.Go(func() {
		<-e.done
		cancel()
	})
	for {
		select {
		case <-e.done:
			return
		case <-e.log.SnapshotDue():
		}
		began := time.Now()
		switch err := e.writeSnapshot(ctx); {
		case err == nil:
			e.snapshotting.written.Add(1)
			e.snapshotting.took.Store(int64(time.Since(began)))
		case errors.Is(err, errNotYet): // it stays due
			select {
			case <-e.done:
			case <-time.After(snapshotPause):
			}
		case ctx.Err() == nil:
			e.snapshotting.failed.Add(1)
			e.durable.Log.Warn("writing a snapshot failed; the log grows until one succeeds", "error", err)
		}
	}
}

// errNotYet: a snapshot cannot begin before the next segment is allocated, for which there may be no room.
var errNotYet = errors.New("the next segment of the log is not allocated")

// snapshotPause is how long to wait before a snapshot that could not begin is tried again.
const snapshotPause = 100 * time.Millisecond

// snapshotting counts the snapshots that were written.
type snapshotting struct {
	written, failed atomic.Int64
	took            atomic.Int64 // how long the latest took, in nanoseconds
}

// LogStats describe an engine's log and its snapshots.
type LogStats struct {
	wal.Stats
	Failed           bool  // nothing is acknowledged any more
	Snapshots        int64 // written by this engine
	SnapshotFailures int64
	SnapshotTook     time.Duration // of the latest one; zero: there was none
}

// LogStats returns the statistics of the engine's log, which it must have. Unlike Stats it never waits for the disk.
func (e *Engine) LogStats() LogStats {
	return LogStats{
		Stats: e.log.Stats(), Failed: e.log.Err() != nil,
		Snapshots: e.snapshotting.written.Load(), SnapshotFailures: e.snapshotting.failed.Load(),
		SnapshotTook: time.Duration(e.snapshotting.took.Load()),
	}
}

// writeSnapshot writes all entries as they are now, while writers go on.
func (e *Engine) writeSnapshot(ctx context.Context) error {
	e.mu.Lock()
	s, err := e.log.Cut()
	if err != nil {
		e.mu.Unlock()
		if errors.Is(err, wal.ErrFull) {
			return errNotYet
		}
		return err
	}
	view, at := e.tree.Freeze(), e.clock.Read()
	e.mu.Unlock()
	view.Ascend("", func(entry *tree.Entry) bool {
		err = s.Add(logged(entry, at))
		return err == nil && ctx.Err() == nil
	})
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		s.Discard()
		return err
	}
	return s.Commit(ctx)
}
