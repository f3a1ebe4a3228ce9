package memory

import (
	"sync/atomic"

	"key-value/kvservice/store/memory/tree"
)

// lru finds entries that were not used for long. It keeps no order among them: each entry has a stamp, and
// of a few entries drawn at random the one with the oldest stamp goes.
type lru struct {
	tick   atomic.Uint32 // the stamp of what is used now
	writes int64         // since the tick began; of writers alone
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
// longest time. It returns none that spared says to keep, and nil if those are all.
func (r *lru) victim(t *tree.Tree, spared func(*tree.Entry) bool) *tree.Entry {
	var oldest *tree.Entry
	consider := func(e *tree.Entry) {
		if !spared(e) && (oldest == nil || r.age(e) > r.age(oldest)) {
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
