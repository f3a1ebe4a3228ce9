package memory

import (
	"encoding/binary"
	"math/bits"
	"sort"
	"sync/atomic"
	"unsafe"
)

// leafMax is how many entries a leaf has at most.
const leafMax = 64

// leaf holds the entries of a range of keys, in order. Which keys it has never changes; the entry of a key
// is replaced in its slot. Readers may look into a leaf at any time.
type leaf struct {
	tags    [leafMax]uint8 // the tags of the entries' keys; see [tagger]
	entries []atomic.Pointer[entry]
	made    uint64 // the generation of the tree in which it was made
}

// bytes is what l takes of the heap, with the bound above it that tells its keys from those before.
func (l *leaf) bytes() int64 {
	return allocated(int(unsafe.Sizeof(leaf{}))) + allocated(8*len(l.entries)) + boundBytes
}

// boundBytes is what a bound takes, about.
const boundBytes = 16

// newLeaf makes a leaf with room for n entries, which the caller fills in.
func newLeaf(n int, generation uint64) *leaf {
	return &leaf{entries: make([]atomic.Pointer[entry], n), made: generation}
}

// copyFrom fills l from position at on with other's entries from..to.
func (l *leaf) copyFrom(at int, other *leaf, from, to int) {
	copy(l.tags[at:], other.tags[from:to])
	for i := from; i < to; i++ {
		l.entries[at+i-from].Store(other.entries[i].Load())
	}
}

// get returns the entry of key, or nil.
func (l *leaf) get(key string, tag uint8) *entry {
	if i := l.find(key, tag); i >= 0 {
		return l.entries[i].Load()
	}
	return nil
}

const (
	ones = 0x0101010101010101
	tops = 0x8080808080808080
)

// find returns the position of key, or -1. It compares eight tags at a time, and hardly ever looks at the
// key of another entry.
func (l *leaf) find(key string, tag uint8) int {
	for base := 0; base < len(l.entries); base += 8 {
		x := binary.LittleEndian.Uint64(l.tags[base:]) ^ ones*uint64(tag)
		// A byte of x is zero where the tags agree. Its top bit is then set in hits, and rarely elsewhere.
		for hits := (x - ones) &^ x & tops; hits != 0; hits &= hits - 1 {
			i := base + bits.TrailingZeros64(hits)/8
			if i < len(l.entries) && l.entries[i].Load().key() == key {
				return i
			}
		}
	}
	return -1
}

// search returns the position of the first entry whose key is not before key.
func (l *leaf) search(key string) int {
	return sort.Search(len(l.entries), func(i int) bool { return l.entries[i].Load().key() >= key })
}

// with returns a leaf that also has e, at position i.
func (l *leaf) with(i int, e *entry, tag uint8, generation uint64) *leaf {
	n := newLeaf(len(l.entries)+1, generation)
	n.copyFrom(0, l, 0, i)
	n.tags[i] = tag
	n.entries[i].Store(e)
	n.copyFrom(i+1, l, i, len(l.entries))
	return n
}

// part returns a leaf with l's entries from..to.
func (l *leaf) part(from, to int, generation uint64) *leaf {
	n := newLeaf(to-from, generation)
	n.copyFrom(0, l, from, to)
	return n
}

// without returns a leaf that lacks the entry at position i.
func (l *leaf) without(i int, generation uint64) *leaf {
	n := newLeaf(len(l.entries)-1, generation)
	n.copyFrom(0, l, 0, i)
	n.copyFrom(i, l, i+1, len(l.entries))
	return n
}

// join returns a leaf with l's entries and then those of right.
func (l *leaf) join(right *leaf, generation uint64) *leaf {
	n := newLeaf(len(l.entries)+len(right.entries), generation)
	n.copyFrom(0, l, 0, len(l.entries))
	n.copyFrom(len(l.entries), right, 0, len(right.entries))
	return n
}

// due returns the earliest deadline in l.
func (l *leaf) due() int64 {
	earliest := int64(never)
	for i := range l.entries {
		earliest = min(earliest, l.entries[i].Load().deadline)
	}
	return earliest
}

// ascend calls each with the entries from the key from on, until each returns false.
func (l *leaf) ascend(from string, each func(*entry) bool) bool {
	i := 0
	if from != "" {
		i = l.search(from)
	}
	for ; i < len(l.entries); i++ {
		if !each(l.entries[i].Load()) {
			return false
		}
	}
	return true
}
