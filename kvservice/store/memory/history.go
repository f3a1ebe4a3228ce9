package memory

import (
	"sync/atomic"
	"time"

	"key-value/kvservice/store/memory/tree"
)

// history keeps the latest changes, as many as fit into limit bytes. Change r is the entry or the tombstone that
// revision r wrote, so a position in the history is a revision.
//
// One goroutine at a time appends. Any number may read concurrently, without waiting.
type history struct {
	limit int64 // maximum bytes; the latest change is kept even if it is larger
	old   int64 // maximum bytes while the oldest change is older than oldAge
	bytes int64 // bytes of the changes that are kept; used by the writer only
	next  uint64

	ring   atomic.Pointer[ring]
	oldest atomic.Uint64 // the first revision that is kept
	head   atomic.Uint64 // the last revision that readers may see
}

// ring holds change r in slot r modulo its length, which is a power of two.
type ring []atomic.Pointer[tree.Entry]

func (r ring) slot(revision uint64) *atomic.Pointer[tree.Entry] { return &r[revision&uint64(len(r)-1)] }

// slotBytes is the memory of a change in addition to its entry: its slot, in a ring that may be half empty.
const slotBytes = 16

// oldAge is the age from which a change counts as old.
const oldAge = int64(30 * time.Second)

// newHistory returns an empty history whose first change will have the revision first. Zero for old means limit.
func newHistory(first uint64, limit, old int64) *history {
	if old == 0 {
		old = limit
	}
	h := &history{limit: limit, old: old, next: first}
	r := make(ring, 64)
	h.ring.Store(&r)
	h.oldest.Store(first)
	h.head.Store(first - 1)
	return h
}

// append adds the next change. Readers see it after [history.publish].
func (h *history) append(e *tree.Entry) {
	h.bytes += e.Bytes() + slotBytes
	for h.bytes > h.limit && h.oldest.Load() < e.Revision {
		h.drop()
	}
	r := *h.ring.Load()
	if h.next-h.oldest.Load() == uint64(len(r)) {
		r = h.resize(2 * len(r))
	}
	r.slot(e.Revision).Store(e)
	h.next = e.Revision + 1
}

// publish makes the appended changes visible to readers, all at once.
func (h *history) publish() { h.head.Store(h.next - 1) }

// drop removes the oldest change. It updates oldest first, so that a reader that finds an empty slot sees why.
func (h *history) drop() {
	revision := h.oldest.Load()
	h.oldest.Store(revision + 1)
	slot := h.ring.Load().slot(revision)
	h.bytes -= slot.Load().Bytes() + slotBytes
	slot.Store(nil)
}

// nextOld returns when the oldest change is to be dropped because it is old, by the engine's clock. The latest one never
// is.
func (h *history) nextOld() int64 {
	oldest := h.oldest.Load()
	if h.bytes <= h.old || oldest+1 == h.next {
		return tree.Never
	}
	return h.at(oldest).Updated + oldAge
}

// dropOld drops changes that are to be dropped at now, some at a time.
func (h *history) dropOld(now int64) {
	for n := 0; n < 1000 && h.nextOld() <= now; n++ {
		h.drop()
	}
	if r := *h.ring.Load(); len(r) > 64 && h.next-h.oldest.Load() < uint64(len(r)/4) {
		h.resize(len(r) / 2)
	}
}

// resize replaces the ring by one of n slots. Readers of the old one still find the changes they know of in it.
func (h *history) resize(n int) ring {
	old, r := *h.ring.Load(), make(ring, n)
	for revision := h.oldest.Load(); revision < h.next; revision++ {
		r.slot(revision).Store(old.slot(revision).Load())
	}
	h.ring.Store(&r)
	return r
}

// at returns the change of revision, which must not be after head, or nil if it is no longer kept.
func (h *history) at(revision uint64) *tree.Entry {
	if e := h.ring.Load().slot(revision).Load(); e != nil && e.Revision == revision {
		return e
	}
	return nil
}
