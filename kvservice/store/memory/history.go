package memory

import (
	"sort"
	"sync/atomic"
	"time"

	"key-value/kvservice/store/memory/tree"
	"key-value/kvservice/store/memory/wal"
)

// history keeps the latest changes, as many as fit into limit bytes. Change r is the entry or the tombstone that
// revision r wrote, so a position in the history is a revision. Revisions follow on from each other within an epoch, and
// leave a gap between two.
//
// One goroutine at a time appends. Any number may read concurrently, without waiting.
type history struct {
	limit int64  // maximum bytes; the latest change is kept even if it is larger
	old   int64  // maximum bytes while the oldest change is older than oldAge
	bytes int64  // bytes of the changes that are kept; used by the writer only
	first uint64 // the first revision of the current epoch
	next  uint64
	from  int // the first slot of past that is kept; used by the writer only

	past   atomic.Pointer[ring] // changes of earlier epochs, in order; nil: none is kept
	ring   atomic.Pointer[ring]
	oldest atomic.Uint64 // changes before this revision are no longer kept
	head   atomic.Uint64 // the last revision that readers may see
}

// ring holds change r in slot r modulo its length, which is a power of two.
type ring []atomic.Pointer[tree.Entry]

func (r ring) slot(revision uint64) *atomic.Pointer[tree.Entry] { return &r[revision&uint64(len(r)-1)] }

// slotBytes is the memory of a change in addition to its entry: its slot, in a ring that may be half empty.
const slotBytes = 16

// oldAge is the age from which a change counts as old.
const oldAge = int64(30 * time.Second)

// newHistory returns a history of changes of earlier epochs, oldest first. Zero for old means limit.
func newHistory(epochs wal.Epochs, past []*tree.Entry, limit, old int64) *history {
	if old == 0 {
		old = limit
	}
	epoch := epochs[len(epochs)-1]
	h := &history{limit: limit, old: old, first: epoch.First, next: epoch.First}
	r := make(ring, 64)
	h.ring.Store(&r)
	h.oldest.Store(epoch.Before + 1)
	h.head.Store(epoch.Before)
	if len(past) == 0 {
		return h
	}
	h.oldest.Store(past[0].Revision)
	for _, e := range epochs {
		if e.First == past[0].Revision {
			h.oldest.Store(e.Before + 1) // there is nothing in between
		}
	}
	loaded := make(ring, len(past))
	for i, e := range past {
		loaded[i].Store(e)
		h.bytes += e.Bytes() + slotBytes
	}
	h.past.Store(&loaded)
	return h
}

// start returns the first revision of the current epoch that is kept.
func (h *history) start() uint64 { return max(h.oldest.Load(), h.first) }

// kept returns the number of changes that are kept.
func (h *history) kept() int {
	n := int(h.next - h.start())
	if past := h.past.Load(); past != nil {
		n += len(*past) - h.from
	}
	return n
}

// append adds the next change. Readers see it after [history.publish].
func (h *history) append(e *tree.Entry) {
	h.bytes += e.Bytes() + slotBytes
	for h.bytes > h.limit && h.kept() > 0 {
		h.drop()
	}
	r := *h.ring.Load()
	if h.next-h.start() == uint64(len(r)) {
		r = h.resize(2 * len(r))
	}
	r.slot(e.Revision).Store(e)
	h.next = e.Revision + 1
}

// publish makes the appended changes visible to readers, all at once.
func (h *history) publish() { h.head.Store(h.next - 1) }

// eldest returns the slot of the oldest change.
func (h *history) eldest() *atomic.Pointer[tree.Entry] {
	if past := h.past.Load(); past != nil {
		return &(*past)[h.from]
	}
	return h.ring.Load().slot(h.start())
}

// drop removes the oldest change. It updates oldest first, so that a reader that finds an empty slot sees why.
func (h *history) drop() {
	slot := h.eldest()
	e := slot.Load()
	h.oldest.Store(e.Revision + 1)
	h.bytes -= e.Bytes() + slotBytes
	slot.Store(nil)
	if past := h.past.Load(); past != nil {
		if h.from++; h.from == len(*past) {
			h.past.Store(nil)
		}
	}
}

// nextOld returns when the oldest change is to be dropped because it is old, by the engine's clock. The latest one never
// is.
func (h *history) nextOld() int64 {
	if h.bytes <= h.old || h.kept() <= 1 {
		return tree.Never
	}
	return h.eldest().Load().Updated + oldAge
}

// dropOld drops changes that are to be dropped at now, some at a time.
func (h *history) dropOld(now int64) {
	for n := 0; n < 1000 && h.nextOld() <= now; n++ {
		h.drop()
	}
	if r := *h.ring.Load(); len(r) > 64 && h.next-h.start() < uint64(len(r)/4) {
		h.resize(len(r) / 2)
	}
}

// resize replaces the ring by one of n slots. Readers of the old one still find the changes they know of in it.
func (h *history) resize(n int) ring {
	old, r := *h.ring.Load(), make(ring, n)
	for revision := h.start(); revision < h.next; revision++ {
		r.slot(revision).Store(old.slot(revision).Load())
	}
	h.ring.Store(&r)
	return r
}

// after returns the change that follows revision, which must be before head, or nil if it is no longer kept.
func (h *history) after(revision uint64) *tree.Entry {
	if revision+1 >= h.first {
		return h.at(revision + 1)
	}
	e := h.pastAfter(revision)
	if revision+1 < h.oldest.Load() {
		return nil
	}
	if e == nil {
		return h.at(h.first)
	}
	return e
}

// pastAfter returns the first change of an earlier epoch that is kept and follows revision, or nil.
func (h *history) pastAfter(revision uint64) *tree.Entry {
	past := h.past.Load()
	if past == nil {
		return nil
	}
	follows := func(i int) bool {
		e := (*past)[i].Load()
		return e != nil && e.Revision > revision
	}
	if i := sort.Search(len(*past), follows); i < len(*past) {
		return (*past)[i].Load()
	}
	return nil
}

// at returns the change of revision, which is one of the current epoch and not after head, or nil if it is no longer kept.
func (h *history) at(revision uint64) *tree.Entry {
	if e := h.ring.Load().slot(revision).Load(); e != nil && e.Revision == revision {
		return e
	}
	return nil
}
