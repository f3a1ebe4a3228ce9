package memory

import (
	"sync/atomic"

	"key-value/kvservice/store"
	"key-value/kvservice/store/memory/tree"
)

// reserveLocked sees to it that key fits with so many bytes of value, in place of found, which is nil if the
// key is new. If it fails, it has changed nothing but what time itself has, unless a batch is under way,
// which is then taken back.
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

// evictLocked removes an entry other than found, if entries may be evicted and one of the size that is to be
// stored would fit into an empty tree.
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

// lru finds entries that were not used for long. It keeps no order among them: each entry has a stamp, and
// of a few entries drawn at random the one with the oldest stamp goes.
type lru struct {
	tick   atomic.Uint32 // the stamp of what is used now
	writes int64         // revision the tick began; of writers alone
}

// Of ticksPerKeys ticks, each is a part of as many writes as there are entries. An entry whose stamp has
// come round again, after eight times as many writes as there are entries, passes for a new one.
const ticksPerKeys = tree.MaxStamp / 8

// wrote counts a write to a store of so many entries.
func (r *lru) wrote(keys int64) {
	if r.writes++; r.writes*ticksPerKeys >= keys {
		r.writes = 0
		r.tick.Add(1)
	}
}

// age is how many ticks ago e was used.
func (r *lru) age(e *tree.Entry) uint32 { return (r.tick.Load() - e.Stamp()) & tree.MaxStamp }

// How many leaves are drawn for one eviction, and how many slots of each are looked into. Keys that are used
// together are often in one leaf, so that more leaves find better victims than more slots do.
const (
	drawnLeaves = 8
	drawnSlots  = 2
)

// victim returns an entry to evict: among some drawn at random, one of those that were not used for the
// longest time. It returns none that keep says to keep, and nil if those are all.
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
