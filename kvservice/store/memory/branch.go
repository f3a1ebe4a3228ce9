package memory

import (
	"encoding/binary"
	"strings"
	"sync/atomic"
	"unsafe"
)

// branchMax is how many children a branch has at most.
const branchMax = 64

// branch divides a range of keys among children: leaves at level 0, and branches of the level below
// above it. How it divides them never changes; a child is replaced in its place by another one for the same
// range. Readers may look into a branch at any time.
type branch struct {
	level  int
	n      int // children
	shared int // how many bytes all bounds begin with in common

	// heads are the eight bytes of each bound behind the shared ones, as a number, so that most of a search
	// needs neither the bounds themselves nor another piece of memory.
	heads  [branchMax]uint64
	nodes  [branchMax]unsafe.Pointer // *leaf or *branch
	bounds [branchMax]string         // the keys of child i are not before bounds[i]; the first has none

	due  [branchMax]int64 // of writers alone: no entry of child i expires before due[i]
	made uint64           // the generation of the tree in which it was made
}

// branchBytes is what a branch takes of the heap. Go adds a word to objects of its size.
var branchBytes = allocated(int(unsafe.Sizeof(branch{})) + 8)

// child is a child of a branch on the way into another one.
type child struct {
	node  unsafe.Pointer
	bound string
	due   int64
}

// newBranch makes a branch of 1 to branchMax children.
func newBranch(level int, children []child, generation uint64) *branch {
	b := &branch{level: level, n: len(children), made: generation}
	if b.n > 1 {
		b.shared = commonPrefix(children[1].bound, children[b.n-1].bound)
	}
	for i, c := range children {
		b.nodes[i], b.bounds[i], b.due[i] = c.node, c.bound, c.due
		if i > 0 {
			b.heads[i] = head(c.bound[b.shared:])
		}
	}
	return b
}

// clone returns a copy of b.
func (b *branch) clone(generation uint64) *branch {
	c := *b
	c.made = generation
	return &c
}

func (b *branch) leaf(i int) *leaf     { return (*leaf)(atomic.LoadPointer(&b.nodes[i])) }
func (b *branch) branch(i int) *branch { return (*branch)(atomic.LoadPointer(&b.nodes[i])) }

// set replaces child i.
func (b *branch) set(i int, node unsafe.Pointer) { atomic.StorePointer(&b.nodes[i], node) }

// child returns which child key belongs to: the last one whose bound is not after it.
func (b *branch) child(key string) int {
	if b.n == 1 {
		return 0
	}
	rest := key
	if b.shared > 0 {
		var side int
		if rest, side = cut(key, b.bounds[1][:b.shared]); side < 0 {
			return 0
		} else if side > 0 {
			return b.n - 1
		}
	}
	low, high := 1, b.n // children before low belong to smaller heads, those from high on to larger ones
	for h := head(rest); low < high; {
		if middle := int(uint(low+high) / 2); b.heads[middle] < h || b.heads[middle] == h && b.bounds[middle] <= key {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low - 1
}

// cut returns what follows prefix in key and zero, or, if key does not begin with it, whether key comes
// before (-1) or after (1) all keys that do.
func cut(key, prefix string) (rest string, side int) {
	if strings.HasPrefix(key, prefix) {
		return key[len(prefix):], 0
	}
	return "", strings.Compare(key, prefix)
}

// head returns the first eight bytes of s as a number, with zeros for those that s does not have.
func head(s string) uint64 {
	if len(s) >= 8 {
		return binary.BigEndian.Uint64([]byte(s[:8]))
	}
	var b [8]byte
	copy(b[:], s)
	return binary.BigEndian.Uint64(b[:])
}

// commonPrefix returns how many bytes a and b begin with in common.
func commonPrefix(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// earliest returns the least of due.
func (b *branch) earliest() int64 {
	least := b.due[0]
	for _, due := range b.due[1:b.n] {
		least = min(least, due)
	}
	return least
}

// ascend calls each with the entries from the key from on, until each returns false.
func (b *branch) ascend(from string, each func(*entry) bool) bool {
	for i := b.child(from); i < b.n; i++ {
		goOn := false
		if b.level == 0 {
			goOn = b.leaf(i).ascend(from, each)
		} else {
			goOn = b.branch(i).ascend(from, each)
		}
		if !goOn {
			return false
		}
		from = ""
	}
	return true
}
