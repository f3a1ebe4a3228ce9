package tree

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"
	"sync/atomic"
	"unsafe"
)

// leafMax is how many entries a leaf has at most: as many as make it, with the word that Go adds to objects of
// its size, one of 576 bytes. Fourteen of those fill two pages and leave hardly anything over.
const leafMax = 61

// leaf holds the entries of a range of keys, in no order: so an entry is added or removed by setting one
// pointer. A key stays in its slot for as long as it is there without a break. Readers may look into a leaf
// at any time; an entry that they find there was there when they looked.
type leaf struct {
	tags       [(leafMax + 7) / 8]atomic.Uint64 // byte i%8 of word i/8 is the tag of the key in slot i
	entries    [leafMax]atomic.Pointer[Entry]   // nil: the slot is free
	n          int                              // entries; of writers alone
	generation uint64                           // the generation of the tree in which it was made
}

// leafBytes is what a leaf takes, with the bound above it that tells its keys from those before.
const leafBytes = int64(unsafe.Sizeof(leaf{})) + 8 + 16

// get returns the entry of key, or nil.
func (l *leaf) get(key string, tag uint8) *Entry {
	_, e := l.find(key, tag)
	return e
}

const (
	ones = 0x0101010101010101
	tops = 0x8080808080808080
)

// find returns the slot of key and its entry, or nil. It compares eight tags at a time, and hardly ever
// looks at the key of another entry.
func (l *leaf) find(key string, tag uint8) (int, *Entry) {
	for word := range l.tags {
		x := l.tags[word].Load() ^ ones*uint64(tag)
		// A byte of x is zero where the tags agree. Its top bit is then set in hits, and rarely elsewhere.
		for hits := (x - ones) &^ x & tops; hits != 0; hits &= hits - 1 {
			i := word*8 + bits.TrailingZeros64(hits)/8
			if i == leafMax {
				break
			}
			if e := l.entries[i].Load(); e != nil && e.Key() == key {
				return i, e
			}
		}
	}
	return 0, nil
}

// add puts e, whose key is new, into a free slot. There must be one. The tag comes first, so that readers
// find e as soon as it is there.
func (l *leaf) add(e *Entry, tag uint8) {
	i := 0
	for l.entries[i].Load() != nil {
		i++
	}
	shift := i % 8 * 8
	l.tags[i/8].Store(l.tags[i/8].Load()&^(0xff<<shift) | uint64(tag)<<shift)
	l.entries[i].Store(e)
	l.n++
}

// drop frees slot i.
func (l *leaf) remove(i int) {
	l.entries[i].Store(nil)
	l.n--
}

// clone returns a copy of l.
func (l *leaf) clone(generation uint64) *leaf {
	c := &leaf{n: l.n, generation: generation}
	for word := range l.tags {
		c.tags[word].Store(l.tags[word].Load())
	}
	for i := range l.entries {
		c.entries[i].Store(l.entries[i].Load())
	}
	return c
}

// sorted appends l's entries from the key from on to buf, in order. A key that was removed and came back
// meanwhile may be in two slots; then its later version counts.
func (l *leaf) sorted(from string, buf []*Entry) []*Entry {
	begin := len(buf)
	for i := range l.entries {
		if e := l.entries[i].Load(); e != nil && (from == "" || e.Key() >= from) {
			buf = append(buf, e)
		}
	}
	found := buf[begin:]
	slices.SortFunc(found, byKey)
	found = slices.CompactFunc(found, func(a, b *Entry) bool { return a.Key() == b.Key() })
	return buf[:begin+len(found)]
}

// byKey orders entries by key, and those with the same key from the latest on.
func byKey(a, b *Entry) int {
	if order := strings.Compare(a.Key(), b.Key()); order != 0 {
		return order
	}
	return cmp.Compare(b.Revision, a.Revision)
}

// ascend calls each with the entries from the key from on, until each returns false.
func (l *leaf) ascend(from string, each func(*Entry) bool) bool {
	var buf [leafMax]*Entry
	for _, e := range l.sorted(from, buf[:0]) {
		if !each(e) {
			return false
		}
	}
	return true
}
