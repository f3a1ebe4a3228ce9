package memory

import (
	"sync/atomic"

	"key-value/kvservice/store/memory/tree"
)

// history keeps the latest changes, as many as fit into limit bytes. Change r is the entry or the tombstone that
// revision r wrote, so a position in the history is a revision.
//
// One goroutine at a time appends. Any number may read concurrently, without waiting.
type history struct {
	limit int64 // maximum bytes; the latest change is kept even if it is larger
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

func newHistory(limit int64) *history {
	h := &history{limit: limit, next: 1}
	r := make(ring, 64)
	h.ring.Store(&r)
	h.oldest.Store(1)
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
		r = h.grow(r)
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

// grow doubles the ring. Readers of the old one still find the changes they know of in it.
func (h *history) grow(old ring) ring {
	r := make(ring, 2*len(old))
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
