package memory

import (
	"key-value/kvservice/store"
	"key-value/kvservice/store/memory/tree"
)

// makeRoomLocked sees to it that key fits with so many bytes of value, in place of found, which is nil if the
// key is new. If it fails, it has changed nothing but what time itself has, unless a batch is under way,
// which is then taken back.
func (e *Engine) makeRoomLocked(found *tree.Entry, key string, valueLen int, now int64) error {
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
