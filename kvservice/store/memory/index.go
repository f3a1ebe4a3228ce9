package memory

import (
	"cmp"

	"github.com/tidwall/btree"

	"key-value/kvservice/store"
)

// perEntry is what the index takes for an entry, beside the entry, in bytes.
const perEntry = 32

// index finds entries by key, in the order of keys, and by deadline.
type index struct {
	byKey *btree.BTreeG[*entry]
	due   *btree.BTreeG[*entry] // those with a TTL
	held  int64                 // bytes
}

func newIndex() *index {
	return &index{byKey: newTree(byKey), due: newTree(byDeadline)}
}

func newTree(less func(a, b *entry) bool) *btree.BTreeG[*entry] {
	return btree.NewBTreeGOptions(less, btree.Options{NoLocks: true})
}

func byKey(a, b *entry) bool { return a.key() < b.key() }

func byDeadline(a, b *entry) bool {
	return cmp.Or(cmp.Compare(a.deadline, b.deadline), cmp.Compare(a.revision, b.revision)) < 0
}

func (x *index) keys() int64  { return int64(x.byKey.Len()) }
func (x *index) bytes() int64 { return x.held }

func (x *index) copy() *index {
	return &index{byKey: x.byKey.Copy(), due: x.due.Copy(), held: x.held}
}

func (x *index) get(key string) *entry {
	found, _ := x.byKey.Get(probe(key))
	return found
}

func probe(key string) *entry { return pack(store.Put, 0, 0, never, key, nil) }

func (x *index) put(e *entry) {
	if old, ok := x.byKey.Set(e); ok {
		x.forget(old)
	}
	x.held += e.bytes() + perEntry
	if e.deadline != never {
		x.due.Set(e)
	}
}

func (x *index) remove(e *entry) {
	x.byKey.Delete(e)
	x.forget(e)
}

func (x *index) forget(e *entry) {
	x.held -= e.bytes() + perEntry
	x.due.Delete(e)
}

// nextToExpire returns the entry with the earliest deadline, or nil.
func (x *index) nextToExpire() *entry {
	next, _ := x.due.Min()
	return next
}

// stalest returns an entry to evict that is not spared, or nil.
func (x *index) stalest(spared *entry) *entry {
	var found *entry
	seen := 0
	x.byKey.Scan(func(e *entry) bool {
		if e != spared && (found == nil || e.revision < found.revision) {
			found = e
		}
		seen++
		return seen < 16
	})
	return found
}

// ascend calls each with the entries from the key from on, in order, until each returns false.
func (x *index) ascend(from string, each func(e *entry) bool) {
	x.byKey.Ascend(probe(from), each)
}
