package memory

import "key-value/kvservice/store"

// makeRoomLocked sees to it that an entry with so many bytes of key and value fits in place of found, which
// is nil if its key is new. If it fails, it has changed nothing but what time itself has, unless a batch is
// under way, which is then taken back.
func (e *Engine) makeRoomLocked(found *entry, payload int, now int64) error {
	limit, need := e.options.MaxMemory, entryBytes(payload)
	if limit == 0 {
		return nil
	}
	if found == nil {
		need += e.tree.growth()
	} else if need -= found.bytes(); need <= 0 {
		return nil
	}
	for e.tree.bytes+need > limit {
		if e.tree.nextDue() <= now {
			e.expireLocked(now)
		} else if !e.evictLocked(found, payload, now) {
			return store.ErrFull
		}
	}
	return nil
}

// growth is what a new key can add to the tree at most, beside its entry: its place in a leaf, or a leaf and
// on every level a branch.
func (t *tree) growth() int64 { return newLeaf(leafMax, 0).bytes() + int64(t.top.level+2)*branchBytes }

// evictLocked removes an entry other than found, if entries may be evicted and one of the size that is to be
// stored would fit into an empty tree.
func (e *Engine) evictLocked(found *entry, payload int, now int64) bool {
	if e.options.OnFull != Evict || e.emptyBytes+entryBytes(payload) > e.options.MaxMemory {
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
