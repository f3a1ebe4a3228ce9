package tree

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"
	"sync/atomic"
	"unsafe"
)

// leafMax is the maximum number of entries in a leaf. It makes a leaf, with the word that Go adds to objects of its
// size, one of 576 bytes. Fourteen of those fill two pages almost exactly.
const leafMax = 61

// leaf holds the entries of a range of keys, unordered, so that adding or removing one sets a single pointer. A key
// keeps its slot for as long as it exists. Readers may use a leaf at any time; an entry that they find existed when
// they looked.
type leaf struct {
	tags       [(leafMax + 7) / 8]atomic.Uint64 // byte i%8 of word i/8 is the tag of the key in slot i
	entries    [leafMax]atomic.Pointer[Entry]   // nil: the slot is free
	n          int                              // number of entries; used by the writer only
	generation uint64                           // the tree's generation when the leaf was made
}

// leafBytes is the heap memory of a leaf, including its bound in the branch above.
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

// find returns the slot of key and its entry, or nil. It compares eight tags at a time, so it rarely looks at another
// key.
func (l *leaf) find(key string, tag uint8) (int, *Entry) {
	for word := range l.tags {
		x := l.tags[word].Load() ^ ones*uint64(tag)
		// A byte of x is zero where the tags agree. Its top bit is then set in hits, and rarely otherwise.
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

// add puts e, whose key is new, into a free slot, which must exist. It stores the tag first, so that readers find e
// as soon as it is stored.
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

// remove frees slot i.
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

// sorted appends the entries whose keys are at or after from and before end to buf, in order. An empty end means no upper
// bound. A key that is removed and added again in the meantime may be in two slots; then the later version counts.
func (l *leaf) sorted(from, end string, buf []*Entry) []*Entry {
	begin := len(buf)
	for i := range l.entries {
		if e := l.entries[i].Load(); e != nil && (from == "" || e.Key() >= from) && (end == "" || e.Key() < end) {
			buf = append(buf, e)
		}
	}
	found := buf[begin:]
	slices.SortFunc(found, byKey)
	found = slices.CompactFunc(found, func(a, b *Entry) bool { return a.Key() == b.Key() })
	return buf[:begin+len(found)]
}

// byKey orders entries by key, and entries with the same key by descending revision.
func byKey(a, b *Entry) int {
	if order := strings.Compare(a.Key(), b.Key()); order != 0 {
		return order
	}
	return cmp.Compare(b.Revision, a.Revision)
}

// ascend calls each with the entries whose keys are at or after from, in order, until each returns false.
func (l *leaf) ascend(from string, each func(*Entry) bool) bool {
	var buf [leafMax]*Entry
	for _, e := range l.sorted(from, "", buf[:0]) {
		if !each(e) {
			return false
		}
	}
	return true
}

// descend calls each with the entries whose keys are before end, or with all if it is empty, from the last to the first,
// until each returns false.
func (l *leaf) descend(end string, each func(*Entry) bool) bool {
	var buf [leafMax]*Entry
	for _, e := range slices.Backward(l.sorted("", end, buf[:0])) {
		if !each(e) {
			return false
		}
	}
	return true
}
