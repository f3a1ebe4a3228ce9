package memory

import (
	"sync/atomic"

	"key-value/kvservice/store"
	"key-value/kvservice/store/memory/tree"
)

// reserveLocked makes room for an entry of key with valueLen bytes of value, which replaces found, or is new if found
// is nil. If it fails, it has changed nothing but what expired, or an atomic batch is in progress, which is then
// rolled back.
func (e *Engine) reserveLocked(found *tree.Entry, key string, valueLen int, now int64) error {
	limit, need := e.options.MaxMemory, tree.EntryBytes(len(key)+valueLen)
	if limit == 0 {
		return nil
	}
	if found != nil {
		if need -= found.Bytes(); need <= 0 {
			return nil
		}
	}
	for {
		grown := e.tree.Bytes() + need
		if found == nil {
			grown += e.tree.Growth(key)
		}
		if tree.Resident(grown) <= limit {
			return nil
		}
		if e.tree.NextDue() <= now {
			e.expireLocked(now)
		} else if !e.evictLocked(found, len(key)+valueLen, now) {
			return store.ErrFull
		}
	}
}

// evictLocked removes an entry other than found. It reports false if eviction is off, if an entry with payload bytes
// would not even fit into an empty tree, or if nothing can be evicted.
func (e *Engine) evictLocked(found *tree.Entry, payload int, now int64) bool {
	if e.options.OnFull != Evict || tree.Resident(e.emptyBytes+tree.EntryBytes(payload)) > e.options.MaxMemory {
		return false
	}
	committed := e.history.head.Load()
	victim := e.lru.victim(e.tree, func(v *tree.Entry) bool { return v == found || v.Revision > committed })
	if victim == nil {
		return false
	}
	e.evictions++
	e.removeLocked(victim, store.Evicted, now)
	return true
}

// lru finds entries that have not been used recently. It keeps no list: each entry has a stamp, and of a few entries
// drawn at random the one with the oldest stamp is evicted.
type lru struct {
	tick   atomic.Uint32 // the stamp of an entry that is used now
	writes int64         // since the tick began; used by the writer only
}

// In the time of ticksPerKeys ticks there are as many writes as entries. Stamps wrap around after eight times that;
// an older entry then passes for a recently used one.
const ticksPerKeys = tree.MaxStamp / 8

// wrote counts a write to a store of keys entries.
func (r *lru) wrote(keys int64) {
	if r.writes++; r.writes*ticksPerKeys >= keys {
		r.writes = 0
		r.tick.Add(1)
	}
}

// age returns how many ticks ago e was used.
func (r *lru) age(e *tree.Entry) uint32 { return (r.tick.Load() - e.Stamp()) & tree.MaxStamp }

// The number of leaves drawn for one eviction, and of slots in each. Keys that are used together are often in one
// leaf, so more leaves find better victims than more slots.
const (
	drawnLeaves = 8
	drawnSlots  = 2
)

// victim returns the entry to evict: the least recently used of some drawn at random. It never returns an entry for
// which keep returns true, and returns nil if there are no others.
func (r *lru) victim(t *tree.Tree, keep func(*tree.Entry) bool) *tree.Entry {
	var oldest *tree.Entry
	consider := func(e *tree.Entry) {
		if !keep(e) && (oldest == nil || r.age(e) > r.age(oldest)) {
			oldest = e
		}
	}
	t.Sample(drawnLeaves, drawnSlots, consider)
	if oldest == nil {
		t.Latest().Ascend("", func(e *tree.Entry) bool {
			consider(e)
			return oldest == nil
		})
	}
	return oldest
}
