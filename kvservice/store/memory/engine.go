// Package memory is the storage engine that keeps entries in the memory of this process.
//
// One lock serializes writes. Gets and lists take no lock: they read the tree. Nor does a watch that delivers
// changes: all watches read one history, a ring buffer of the latest changes. Opening a watch, closing it, the end of
// its snapshot and the Sync events of an idle watch take the lock briefly.
//
// Each change takes one revision and one place in the history. An atomic batch takes one revision for each of its
// changes, and they become visible together.
//
// Revisions start from the wall clock in nanoseconds when the engine is made. Writes take longer than a nanosecond each,
// so an engine that is made later starts above every earlier revision, unless the clock was set back to before an
// earlier start.
//
// An engine that [Open] returns also appends each change to a log, under the lock, and loads it when it starts. What a
// call returns, and what a watch delivers, waits until the log says that it may be told, without the lock. A read of
// what may be told by then takes no lock and waits for no one. Each start begins an epoch; the log knows which
// revisions each epoch wrote, so that etags and resume tokens of those before keep their meaning.
package memory

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"key-value/kvservice/store"
	"key-value/kvservice/store/clock"
	"key-value/kvservice/store/memory/tree"
	"key-value/kvservice/store/memory/wal"
)

// OnFull says what happens to a write that would exceed [Options].MaxMemory.
type OnFull uint8

const (
	// Reject makes the write fail with [store.ErrFull].
	Reject OnFull = iota
	// Evict removes entries that have not been used recently, approximately in LRU order, until the write fits. The
	// write fails only if it does not fit into an empty engine.
	Evict
)

// Options configure an engine. The zero value is a good default.
type Options struct {
	// MaxMemory limits the memory of the entries and the structures that hold them, in bytes. Zero: no limit.
	MaxMemory int64
	// OnFull says what happens at MaxMemory. Zero: Reject.
	OnFull OnFull
	// HistoryBytes limits the memory of the history, from which watches resume, in bytes. A change counts in full,
	// even while the entry that it wrote still exists. Zero: 8 MiB, or an eighth of MaxMemory if that is less.
	HistoryBytes int64
	// OldHistoryBytes limits the memory of the history while its oldest change is over half a minute old, in bytes, so
	// that a store does not keep what was deleted or overwritten long ago. Zero: HistoryBytes.
	OldHistoryBytes int64
}

const defaultHistoryBytes = 8 << 20

// History returns the bound of the history, in bytes: HistoryBytes, or what follows from MaxMemory.
func (o Options) History() int64 {
	if o.HistoryBytes > 0 {
		return o.HistoryBytes
	}
	if o.MaxMemory > 0 {
		return min(defaultHistoryBytes, o.MaxMemory/8)
	}
	return defaultHistoryBytes
}

// Engine is a [store.Engine] in memory. Create one with [New], or with [Open] if its entries are to last.
type Engine struct {
	options    Options
	clock      *clock.Clock
	epoch      wal.Epoch  // the current one
	epochs     wal.Epochs // all, oldest first
	emptyBytes int64      // memory of an empty tree
	tree       *tree.Tree // modified with mu held; read without it
	history    *history
	waker      *waker
	done       chan struct{} // closed by Close
	workers    sync.WaitGroup
	hits       counter
	misses     counter

	// With a log only. No read has seen a revision after reach, unless a writer holds the lock: then reach is unsettled.
	log     *wal.Log // nil: entries do not outlive the engine
	durable Durable
	reach   atomic.Uint64

	snapshotting snapshotting

	mu sync.Mutex // held by writers; guards the fields below
	revertible
	lru        lru
	registry   *registry
	watches    int64
	snapshots  map[*snapshot]struct{} // those that keep entries in memory
	closed     bool
	sweepTimer *time.Timer // wakes the sweeper
	sweepAt    int64       // when it fires, by the engine's clock; tree.Never: it does not

	// What the current write has done so far. The slices are reused.
	changes []*tree.Entry // in order, not yet in the history
	expired []*tree.Entry // removed, not yet in changes
	fired   []*signal     // not yet passed to waker
	logged  []wal.Change  // for the log
}

// revertible is the state that a failed atomic batch restores.
type revertible struct {
	revision    uint64 // of the latest change
	expirations int64
	evictions   int64
}

var _ store.Engine = (*Engine)(nil)

// New returns an empty engine, whose entries do not outlive it.
func New(options Options) *Engine {
	e := newEngine(options)
	now := uint64(max(0, time.Now().UnixNano()))
	e.begin(wal.Epochs{{ID: newEpoch(), First: now + 1, Before: now}}, nil)
	return e
}

// newEngine returns an empty engine that has not begun.
func newEngine(options Options) *Engine {
	e := &Engine{
		options:    options,
		clock:      clock.New(),
		waker:      newWaker(),
		done:       make(chan struct{}),
		tree:       tree.New(),
		registry:   newRegistry(),
		snapshots:  map[*snapshot]struct{}{},
		sweepTimer: time.NewTimer(tree.Never),
		sweepAt:    tree.Never,
	}
	e.emptyBytes = e.tree.Bytes()
	return e
}

// begin begins the last one of epochs, with the changes of those before it that watches can resume from, oldest first.
func (e *Engine) begin(epochs wal.Epochs, past []*tree.Entry) {
	e.epochs, e.epoch = epochs, epochs[len(epochs)-1]
	e.revision = e.epoch.Before
	e.history = newHistory(epochs, past, e.options.History(), e.options.OldHistoryBytes)
	e.workers.Go(func() { e.waker.run(e.done) })
	e.workers.Go(e.sweep)
	e.mu.Lock()
	e.scheduleSweepLocked(e.tree.NextDue())
	e.mu.Unlock()
}

// newEpoch returns 63 random bits, so that the number also fits into a signed integer.
func newEpoch() uint64 {
	for {
		var b [8]byte
		_, _ = rand.Read(b[:]) // never fails
		if epoch := binary.LittleEndian.Uint64(b[:]) >> 1; epoch != 0 {
			return epoch
		}
	}
}

// Close ends the watches and waits for the engine's goroutines, and for the log to be on disk.
func (e *Engine) Close() error {
	e.mu.Lock()
	first := !e.closed
	if first {
		e.closed = true
		close(e.done)
	}
	e.mu.Unlock()
	e.workers.Wait()
	if first && e.log != nil {
		return e.log.Close()
	}
	return nil
}

func (e *Engine) isClosed() bool {
	select {
	case <-e.done:
		return true
	default:
		return false
	}
}

// Stats returns the engine's statistics.
func (e *Engine) Stats(ctx context.Context) (store.Stats, error) {
	stats, seen := e.stats()
	if e.log != nil {
		if err := e.tell(ctx, seen, false); err != nil {
			return store.Stats{}, err
		}
	}
	return stats, nil
}

// stats is Stats. It also returns the revision that must be told before they may be.
func (e *Engine) stats() (stats store.Stats, seen uint64) {
	e.lockSwept()
	defer func() { seen = e.unlock() }()
	at := e.clock.Read()
	return store.Stats{
		Keys:        e.tree.Len(),
		MemoryBytes: tree.Resident(e.tree.Bytes()),
		MaxMemory:   e.options.MaxMemory,
		Hits:        e.hits.sum(),
		Misses:      e.misses.sum(),
		Expirations: e.expirations,
		Evictions:   e.evictions,
		Watchers:    e.watches,
		StartTime:   at.Wall(0),
		Uptime:      time.Duration(at.Now),
		Run:         strconv.FormatUint(e.epoch.ID, 36),
		Guarantees: store.Guarantees{
			Engine: "memory", Linearizable: true, AtomicAcrossKeys: true, Durable: e.log != nil, Durability: e.Durability(),
		},
	}, 0
}

// HeldBytes returns about how much memory the entries and the history take. A change whose entry still exists counts
// twice.
func (e *Engine) HeldBytes() int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.tree.Bytes() + e.history.bytes
}

// storeEntry returns found in the form that callers get, at the time of at.
func (e *Engine) storeEntry(found *tree.Entry, at clock.Reading, withValue bool) store.Entry {
	described := store.Entry{
		Key:        found.Key(),
		Version:    e.version(found.Revision),
		UpdateTime: at.Wall(found.Updated),
	}
	if found.Deadline != tree.Never {
		described.ExpireTime, described.TTL = at.Wall(found.Deadline), at.Left(found.Deadline)
	}
	if withValue {
		described.Value = found.Value()
	}
	return described
}

// version returns the version that revision wrote.
func (e *Engine) version(revision uint64) store.Version {
	if revision >= e.epoch.First {
		return store.Version{Epoch: e.epoch.ID, Revision: revision}
	}
	return store.Version{Epoch: e.epochs.Of(revision), Revision: revision}
}

// token returns the resume token of a revision.
func (e *Engine) token(revision uint64) string {
	if revision == e.epoch.Before {
		return store.Version{Epoch: e.epoch.ID, Revision: revision}.String()
	}
	return e.version(revision).String()
}
