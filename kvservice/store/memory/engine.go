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
package memory

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"strconv"
	"sync"
	"time"

	"key-value/kvservice/store"
	"key-value/kvservice/store/clock"
	"key-value/kvservice/store/memory/tree"
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

// Engine is a [store.Engine] in memory. Create one with [New].
type Engine struct {
	options    Options
	clock      *clock.Clock
	epoch      uint64     // random, never zero
	emptyBytes int64      // memory of an empty tree
	tree       *tree.Tree // modified with mu held; read without it
	history    *history
	waker      *waker
	done       chan struct{} // closed by Close
	workers    sync.WaitGroup
	hits       counter
	misses     counter

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
}

// revertible is the state that a failed atomic batch restores.
type revertible struct {
	revision    uint64 // of the latest change
	expirations int64
	evictions   int64
}

var _ store.Engine = (*Engine)(nil)

// New returns an empty engine.
func New(options Options) *Engine {
	e := &Engine{
		options:    options,
		clock:      clock.New(),
		epoch:      newEpoch(),
		waker:      newWaker(),
		done:       make(chan struct{}),
		tree:       tree.New(),
		registry:   newRegistry(),
		snapshots:  map[*snapshot]struct{}{},
		sweepTimer: time.NewTimer(tree.Never),
		sweepAt:    tree.Never,
	}
	e.revision = uint64(max(0, time.Now().UnixNano()))
	e.history = newHistory(e.revision+1, options.History(), options.OldHistoryBytes)
	e.emptyBytes = e.tree.Bytes()
	e.workers.Go(func() { e.waker.run(e.done) })
	e.workers.Go(e.sweep)
	return e
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

// Close ends the watches and waits for the engine's goroutines.
func (e *Engine) Close() error {
	e.mu.Lock()
	if !e.closed {
		e.closed = true
		close(e.done)
	}
	e.mu.Unlock()
	e.workers.Wait()
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
func (e *Engine) Stats(context.Context) (store.Stats, error) {
	e.lockSwept()
	defer e.mu.Unlock()
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
		Run:         strconv.FormatUint(e.epoch, 36),
		Guarantees: store.Guarantees{
			Engine: "memory", Linearizable: true, AtomicAcrossKeys: true, Durability: "all entries are lost when the process ends",
		},
	}, nil
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

func (e *Engine) version(revision uint64) store.Version {
	return store.Version{Epoch: e.epoch, Revision: revision}
}

// token returns the resume token of a revision.
func (e *Engine) token(revision uint64) string { return e.version(revision).String() }
