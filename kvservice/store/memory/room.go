package memory

import "key-value/kvservice/store"

// makeRoomLocked sees to it that key fits with so many bytes of value, in place of found, which is nil if the
// key is new. If it fails, it has changed nothing but what time itself has, unless a batch is under way,
// which is then taken back.
func (e *Engine) makeRoomLocked(found *entry, key string, valueLen int, now int64) error {
	limit, need := e.options.MaxMemory, entryBytes(len(key)+valueLen)
	if limit == 0 {
		return nil
	}
	if found != nil {
		if need -= found.bytes(); need <= 0 {
			return nil
		}
	}
	for {
		grown := e.tree.bytes + need
		if found == nil {
			grown += e.tree.growth(key)
		}
		if resident(grown) <= limit {
			return nil
		}
		if e.tree.nextDue() <= now {
			e.expireLocked(now)
		} else if !e.evictLocked(found, len(key)+valueLen, now) {
			return store.ErrFull
		}
	}
}

// growth is what a new key can add to the tree, beside its entry: nothing if its leaf has room, and otherwise a
// leaf, and a branch for each branch above it that has no room either.
func (t *tree) growth(key string) int64 {
	b, grown := t.top, branchBytes // for a new root, if there is no room up to the old one
	for {
		if int(b.n) < t.limits.branch {
			grown = 0
		} else {
			grown += branchBytes
		}
		if b.level == 0 {
			break
		}
		b = b.branch(b.child(key))
	}
	if b.leaf(b.child(key)).n < t.limits.leaf {
		return 0
	}
	return grown + leafBytes
}

// evictLocked removes an entry other than found, if entries may be evicted and one of the size that is to be
// stored would fit into an empty tree.
func (e *Engine) evictLocked(found *entry, payload int, now int64) bool {
	if e.options.OnFull != Evict || resident(e.emptyBytes+entryBytes(payload)) > e.options.MaxMemory {
		return false
	}
	committed := e.history.head.Load()
	victim := e.lru.victim(e.tree, func(v *entry) bool { return v == found || v.revision > committed })
	if victim == nil {
		return false
	}
	e.evictions++
	e.removeLocked(victim, store.Evicted, now)
	return true
}
