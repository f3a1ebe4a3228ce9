package cache

import (
	"container/heap"
	"hash/maphash"
	"iter"
	"math"
	"sync/atomic"
	"time"

	"key-value/client"
)

// item is what is known of one key. Readers have it without a lock, so only the fields at its end change.
//
// It is small, because what a Get takes is mostly the time to bring it from memory: 112 bytes, where a [client.Entry] has 144.
type item struct {
	key      string
	deadline instant // when the entry expires; zero: never; or absent
	value    []byte
	etag     string
	updated  time.Time
	expires  int64  // when it expires by the clock of the service, in nanoseconds since 1970; zero: never
	revision uint64 // of the entry, or as of which there is none

	used atomic.Bool // whether it was read since the bound was last enforced; only on demand
	slot int32       // its place in table.deadlines, or -1; guarded by Cache.mu
}

// absent is the deadline of a key that is known not to exist.
const absent instant = math.MinInt64

// newItem returns the item of an entry that arrived now.
func newItem(entry client.Entry) *item {
	it := &item{
		key: entry.Key, value: entry.Value, etag: entry.ETag, updated: entry.UpdateTime, expires: nanoseconds(entry.ExpireTime),
		revision: entry.Revision, slot: -1,
	}
	if entry.TTL > 0 {
		it.deadline = now() + instant(entry.TTL)
	}
	return it
}

// absence returns the item of a key that did not exist as of revision.
func absence(key string, revision uint64) *item {
	return &item{key: key, revision: revision, deadline: absent, slot: -1}
}

// copy returns an item for another table.
func (it *item) copy() *item {
	return &item{
		key: it.key, value: it.value, etag: it.etag, updated: it.updated, expires: it.expires, revision: it.revision,
		deadline: it.deadline, slot: -1,
	}
}

// read returns the entry of it, if it exists now.
func (it *item) read() (entry client.Entry, ok bool) {
	ok = it.fill(&entry)
	return entry, ok
}

// fill is read into a zero entry, which saves a Get from copying it.
func (it *item) fill(entry *client.Entry) bool {
	if it == nil || it.deadline == absent {
		return false
	}
	if it.deadline != 0 {
		left := it.deadline - now()
		if left <= 0 {
			return false
		}
		entry.TTL, entry.ExpireTime = time.Duration(left), timeOf(it.expires)
	}
	entry.Key, entry.Value, entry.ETag, entry.UpdateTime, entry.Revision = it.key, it.value, it.etag, it.updated, it.revision
	return true
}

// nanoseconds returns t in nanoseconds since 1970, or zero for the zero time.
func nanoseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// timeOf returns what nanoseconds was given.
func timeOf(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

// visible reports whether readers could see it until now. It is false for an expiry that was reported at its instant. The caller
// must hold Cache.mu.
func (it *item) visible() bool { return it.deadline == 0 || it.slot >= 0 }

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
var removed = &item{deadline: absent}

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
		if s.hash.Load() == hash && it.key == key && it != removed {
			return it
		}
	}
}

// put stores it under its key, in place of what was there.
func (t *table) put(it *item) {
	hash := maphash.String(t.seed, it.key)
	s, old := t.array.Load().place(hash, it.key)
	if old == nil {
		if s.item.Load() == nil {
			t.taken++
		}
		t.live++
	}
	s.hash.Store(hash) // before the item, which makes the slot visible
	s.item.Store(it)
	t.unschedule(old)
	if it.deadline != 0 && it.deadline != absent {
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
		case it.key == key:
			return s, it
		}
	}
}

// rebuild replaces the slots by as many as the items need, of which half are taken at most.
func (t *table) rebuild() {
	slots := fewestSlots
	for slots < 2*t.live {
		slots *= 2
	}
	a := newArray(slots)
	for it := range t.all() {
		hash := maphash.String(t.seed, it.key)
		s, _ := a.place(hash, it.key)
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
	if it != nil && it.slot >= 0 {
		heap.Remove(t, int(it.slot))
	}
}

// Len, Less, Swap, Push and Pop implement heap.Interface for deadlines.
func (t *table) Len() int           { return len(t.deadlines) }
func (t *table) Less(i, j int) bool { return t.deadlines[i].deadline < t.deadlines[j].deadline }

func (t *table) Swap(i, j int) {
	t.deadlines[i], t.deadlines[j] = t.deadlines[j], t.deadlines[i]
	t.deadlines[i].slot, t.deadlines[j].slot = int32(i), int32(j)
}

func (t *table) Push(x any) {
	it := x.(*item)
	it.slot = int32(len(t.deadlines))
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
