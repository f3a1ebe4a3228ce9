package memory

import (
	"sync/atomic"

	"key-value/kvservice/store/memory/tree"
)

// history is the latest changes, as many as fit into limit bytes. Change r is the entry or the mark that
// revision r wrote, so a position in the history is a revision.
//
// One goroutine at a time appends; any number may read meanwhile, and none of them waits.
type history struct {
	limit int64 // bytes that are kept at most, though never less than the latest change
	bytes int64 // what is kept; of the appending goroutine
	next  uint64

	ring   atomic.Pointer[ring]
	oldest atomic.Uint64 // the first revision that is kept
	head   atomic.Uint64 // the last one that readers may see
}

// ring holds change r in slot r modulo its length, which is a power of two.
type ring []atomic.Pointer[tree.Entry]

func (r ring) slot(revision uint64) *atomic.Pointer[tree.Entry] { return &r[revision&uint64(len(r)-1)] }

// slotBytes is what a change costs beside its entry: its slot, in a ring that may be half empty.
const slotBytes = 16

func newHistory(limit int64) *history {
	h := &history{limit: limit, next: 1}
	r := make(ring, 64)
	h.ring.Store(&r)
	h.oldest.Store(1)
	return h
}

// append adds the change that follows the last one. Readers see it after [history.publish].
func (h *history) append(e *tree.Entry) {
	h.bytes += e.Bytes() + slotBytes
	for h.bytes > h.limit && h.oldest.Load() < e.Revision {
		h.drop()
	}
	r := *h.ring.Load()
	if h.next-h.oldest.Load() == uint64(len(r)) {
		r = h.grow(r)
	}
	r.slot(e.Revision).Store(e)
	h.next = e.Revision + 1
}

// publish shows readers what was appended, all of it at once.
func (h *history) publish() { h.head.Store(h.next - 1) }

// drop forgets the oldest change. It says so before it does so: who finds a slot empty sees why.
func (h *history) drop() {
	revision := h.oldest.Load()
	h.oldest.Store(revision + 1)
	slot := h.ring.Load().slot(revision)
	h.bytes -= slot.Load().Bytes() + slotBytes
	slot.Store(nil)
}

// grow doubles the ring. Readers of the old one still find in it what they know of.
func (h *history) grow(old ring) ring {
	r := make(ring, 2*len(old))
	for revision := h.oldest.Load(); revision < h.next; revision++ {
		r.slot(revision).Store(old.slot(revision).Load())
	}
	h.ring.Store(&r)
	return r
}

// at returns a change that is not after head, or nil if it is no longer kept.
func (h *history) at(revision uint64) *tree.Entry {
	if e := h.ring.Load().slot(revision).Load(); e != nil && e.Revision == revision {
		return e
	}
	return nil
}
