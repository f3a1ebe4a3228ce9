package cache

import (
	"container/heap"
	"hash/maphash"
	"iter"
	"sync/atomic"
	"time"

	"key-value/client"
)

// item is what is known of one key. Readers have it without a lock, so only the fields at its end change.
type item struct {
	entry    client.Entry // without its TTL; only the key if absent is set
	revision uint64       // of the entry, or as of which there is none
	absent   bool         // whether the key is known not to exist
	deadline instant      // when the entry expires; zero: never

	used atomic.Bool // whether it was read since the bound was last enforced; only on demand
	slot int         // its place in table.deadlines, or -1; guarded by Cache.mu
}

// newItem returns the item of an entry that arrived now.
func newItem(entry client.Entry) *item {
	it := &item{entry: entry, revision: entry.Revision}
	if entry.TTL > 0 {
		it.deadline = now() + instant(entry.TTL)
	}
	it.entry.TTL = 0
	return it
}

// absence returns the item of a key that did not exist as of revision.
func absence(key string, revision uint64) *item {
	return &item{entry: client.Entry{Key: key}, revision: revision, absent: true}
}

// copy returns an item for another table.
func (it *item) copy() *item {
	return &item{entry: it.entry, revision: it.revision, absent: it.absent, deadline: it.deadline}
}

// read returns the entry of it, if it exists now.
func (it *item) read() (client.Entry, bool) {
	if it == nil || it.absent {
		return client.Entry{}, false
	}
	if it.deadline == 0 {
		return it.entry, true
	}
	left := it.deadline - now()
	if left <= 0 {
		return client.Entry{}, false
	}
	entry := it.entry
	entry.TTL = time.Duration(left)
	return entry, true
}

// visible reports whether readers could see it until now. It is false for an expiry that was reported at its instant. The caller
// must hold Cache.mu.
func (it *item) visible() bool { return !it.absent && (it.deadline == 0 || it.slot >= 0) }

// table maps keys to items. Any goroutine may read it without a lock, while one at a time changes it.
//
// It is a hash table with linear probing. A slot belongs to the hash for which it was first used, until the slots are
// replaced as a whole, so a reader that finds the end of a run of slots has seen every item that was there throughout.
type table struct {
	seed  maphash.Seed
	array atomic.Pointer[array]

	// The rest is guarded by Cache.mu.

	taken     int     // slots that are not free
	live      int     // items
	deadlines []*item // a heap of the items that expire, the next one first
}

// array is the slots of a table. Their number is a power of two, of which at most two thirds are taken.
type array struct {
	mask  uint64
	slots []slot
}

// slot holds an item. It is free while item is nil.
type slot struct {
	hash atomic.Uint64
	item atomic.Pointer[item]
}

// removed takes the place of an item that was removed.
var removed = &item{absent: true}

// fewestSlots is the number of slots of an empty table.
const fewestSlots = 16

func newTable() *table {
	t := &table{seed: maphash.MakeSeed()}
	t.array.Store(newArray(fewestSlots))
	return t
}

func newArray(slots int) *array {
	return &array{mask: uint64(slots - 1), slots: make([]slot, slots)}
}

// find returns the item of key, or nil.
func (t *table) find(key string) *item {
	hash, a := maphash.String(t.seed, key), t.array.Load()
	for i := hash & a.mask; ; i = (i + 1) & a.mask {
		s := &a.slots[i]
		it := s.item.Load()
		if it == nil {
			return nil
		}
		if s.hash.Load() == hash && it.entry.Key == key && it != removed {
			return it
		}
	}
}

// put stores it under its key, in place of what was there.
func (t *table) put(it *item) {
	hash := maphash.String(t.seed, it.entry.Key)
	s, old := t.array.Load().place(hash, it.entry.Key)
	if old == nil {
		if s.item.Load() == nil {
			t.taken++
		}
		t.live++
	}
	s.hash.Store(hash) // before the item, which makes the slot visible
	s.item.Store(it)
	t.unschedule(old)
	it.slot = -1
	if it.deadline != 0 {
		heap.Push(t, it)
	}
	if a := t.array.Load(); t.taken > len(a.slots)*2/3 {
		t.rebuild()
	}
}

// remove removes the item of key, if there is one.
func (t *table) remove(key string) {
	s, old := t.array.Load().place(maphash.String(t.seed, key), key)
	if old != nil {
		s.item.Store(removed)
		t.live--
		t.unschedule(old)
	}
}

// place returns the slot of key with its item, or a slot for it and nil. It uses a slot again only for the same hash.
func (a *array) place(hash uint64, key string) (*slot, *item) {
	var again *slot
	for i := hash & a.mask; ; i = (i + 1) & a.mask {
		s := &a.slots[i]
		switch it := s.item.Load(); {
		case it == nil && again != nil:
			return again, nil
		case it == nil:
			return s, nil
		case s.hash.Load() != hash:
		case it == removed:
			again = s
		case it.entry.Key == key:
			return s, it
		}
	}
}

// rebuild replaces the slots by as many as the items need, of which a third is taken at most.
func (t *table) rebuild() {
	slots := fewestSlots
	for slots < 3*t.live {
		slots *= 2
	}
	a := newArray(slots)
	for it := range t.all() {
		hash := maphash.String(t.seed, it.entry.Key)
		s, _ := a.place(hash, it.entry.Key)
		s.hash.Store(hash)
		s.item.Store(it)
	}
	t.taken = t.live
	t.array.Store(a)
}

// all iterates over the items. One that is there throughout is yielded once.
func (t *table) all() iter.Seq[*item] {
	return func(yield func(*item) bool) {
		a := t.array.Load()
		for i := range a.slots {
			if it := a.slots[i].item.Load(); it != nil && it != removed && !yield(it) {
				return
			}
		}
	}
}

// unschedule takes it, which may be nil, out of the deadlines.
func (t *table) unschedule(it *item) {
	if it != nil && it.deadline != 0 && it.slot >= 0 {
		heap.Remove(t, it.slot)
	}
}

// Len, Less, Swap, Push and Pop implement heap.Interface for deadlines.
func (t *table) Len() int           { return len(t.deadlines) }
func (t *table) Less(i, j int) bool { return t.deadlines[i].deadline < t.deadlines[j].deadline }

func (t *table) Swap(i, j int) {
	t.deadlines[i], t.deadlines[j] = t.deadlines[j], t.deadlines[i]
	t.deadlines[i].slot, t.deadlines[j].slot = i, j
}

func (t *table) Push(x any) {
	it := x.(*item)
	it.slot = len(t.deadlines)
	t.deadlines = append(t.deadlines, it)
}

func (t *table) Pop() any {
	last := len(t.deadlines) - 1
	it := t.deadlines[last]
	it.slot = -1
	t.deadlines[last] = nil
	t.deadlines = t.deadlines[:last]
	return it
}

// instant is a time by the monotonic clock, in nanoseconds since the program started. Setting the wall clock does not
// change it.
type instant int64

var started = time.Now()

func now() instant { return instant(time.Since(started)) }
