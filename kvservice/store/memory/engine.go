// Package memory is the engine that keeps entries in the memory of this process.
//
// One lock serialises writes. Reads take none of what writers hold for long, and a watch takes none at
// all: it reads the history, which is a ring that all watches share.
//
// Every write takes one revision and leaves one change in the history. An atomic batch takes one revision
// for each of its changes, and they become visible together.
package memory

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"sync"
	"time"

	"key-value/kvservice/store"
	"key-value/kvservice/store/memory/tree"
)

// OnFull says what a write does that would make the entries take more than [Options].MaxMemory.
type OnFull uint8

const (
	// Reject has the write fail with [store.ErrFull].
	Reject OnFull = iota
	// Evict removes entries that have not been used for long, approximately the longest, until the write
	// fits. It fails only if it does not fit into an empty engine.
	Evict
)

// Options says how an engine behaves. The zero value is a good default.
type Options struct {
	// MaxMemory is what entries may take, in bytes, with the structures that hold them. Zero: no limit.
	MaxMemory int64
	// OnFull says what happens at MaxMemory. Zero: Reject.
	OnFull OnFull
	// HistoryBytes is how much of the latest changes is kept for watches to resume from, in bytes. They
	// count in full, also while the entry they wrote still exists. Zero: 8 MiB, or an eighth of MaxMemory
	// if that is less.
	HistoryBytes int64
}

const defaultHistoryBytes = 8 << 20

func (o Options) historyBytes() int64 {
	if o.HistoryBytes > 0 {
		return o.HistoryBytes
	}
	if o.MaxMemory > 0 {
		return min(defaultHistoryBytes, o.MaxMemory/8)
	}
	return defaultHistoryBytes
}

// Engine is a [store.Engine] in memory. Make one with [New].
type Engine struct {
	options    Options
	clock      clock
	epoch      uint64     // random, never zero
	emptyBytes int64      // what the tree takes with no entries
	tree       *tree.Tree // changed by who holds mu, and read by anyone
	history    *history
	waker      *waker
	done       chan struct{} // closed by Close
	workers    sync.WaitGroup
	hits       counter
	misses     counter

	mu sync.Mutex // held by whoever writes; guards what follows
	revertible
	lru        lru
	registry   *registry
	watches    int64
	snapshots  map[*snapshot]struct{} // those that hold a view of the tree
	closed     bool
	sweepTimer *time.Timer // wakes the sweeper
	sweepAt    int64       // when it does, in the engine's clock; tree.Never: it does not

	// What the write under way has done so far, kept to be used again.
	changes []*tree.Entry // in order, not yet in the history
	expired []*tree.Entry // removed, not yet among changes
	fired   []*signal     // not yet handed to waker
}

// revertible is what a batch that fails takes back.
type revertible struct {
	revision    uint64 // of the latest write
	expirations int64
	evictions   int64
}

var _ store.Engine = (*Engine)(nil)

// New makes an empty engine.
func New(options Options) *Engine {
	e := &Engine{
		options:    options,
		clock:      newClock(),
		epoch:      newEpoch(),
		history:    newHistory(options.historyBytes()),
		waker:      newWaker(),
		done:       make(chan struct{}),
		tree:       tree.New(),
		registry:   newRegistry(),
		snapshots:  map[*snapshot]struct{}{},
		sweepTimer: time.NewTimer(tree.Never),
		sweepAt:    tree.Never,
	}
	e.emptyBytes = e.tree.Bytes()
	e.workers.Go(func() { e.waker.run(e.done) })
	e.workers.Go(e.sweep)
	return e
}

// newEpoch draws 63 bits, so that the number also fits where numbers are signed.
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

// Stats describes the engine at this moment.
func (e *Engine) Stats(context.Context) (store.Stats, error) {
	e.lockSwept()
	defer e.mu.Unlock()
	return store.Stats{
		Keys:        e.tree.Len(),
		MemoryBytes: tree.Resident(e.tree.Bytes()),
		MaxMemory:   e.options.MaxMemory,
		Hits:        e.hits.sum(),
		Misses:      e.misses.sum(),
		Expirations: e.expirations,
		Evictions:   e.evictions,
		Watchers:    e.watches,
		StartTime:   e.clock.wall(0),
		Guarantees:  store.Guarantees{Engine: "memory", Linearizable: true, AtomicAcrossKeys: true},
	}, nil
}

// storeEntry returns e as callers see it.
func (e *Engine) storeEntry(found *tree.Entry, withValue bool) store.Entry {
	described := store.Entry{
		Key:        found.Key(),
		Version:    store.Version{Epoch: e.epoch, Revision: found.Revision},
		UpdateTime: e.clock.wall(found.Updated),
	}
	if found.Deadline != tree.Never {
		described.ExpireTime = e.clock.wall(found.Deadline)
	}
	if withValue {
		described.Value = found.Value()
	}
	return described
}

// token is the resume token of a revision.
func (e *Engine) token(revision uint64) string {
	return store.Version{Epoch: e.epoch, Revision: revision}.String()
}
