package tree

import (
	"encoding/binary"
	"sort"
	"strings"
	"sync/atomic"
	"unsafe"
)

// branchMax is the maximum number of children of a branch. It makes a branch, with the word that Go adds to objects
// of its size, one of 8192 bytes: a page, which is free again as soon as the branch is.
const branchMax = 203

// branch divides a range of keys among children: leaves if its level is 0, else branches of the level below. Its
// bounds never change; a child is replaced in place by another for the same range. Readers may use a branch at any
// time.
type branch struct {
	generation uint64 // the tree's generation when the branch was made
	level      uint8
	n          uint8           // number of children
	shared     uint16          // length of the prefix that all bounds share, in bytes
	prefix     [prefixMax]byte // that prefix, or as much of it as fits

	// heads are the eight bytes that follow the shared prefix in each bound, as numbers. They let most of a search
	// avoid the bounds themselves, which are elsewhere in memory.
	heads  [branchMax]uint64
	nodes  [branchMax]unsafe.Pointer // *leaf or *branch
	bounds [branchMax]string         // keys of child i are at or after bounds[i]; the first has none

	due [branchMax]int64 // used by the writer only: no entry of child i expires before due[i]
}

// prefixMax makes what a search reads first, up to the first heads, 64 bytes.
const prefixMax = 28

// branchBytes is the heap memory of a branch. Go adds a word to objects of its size.
var branchBytes = allocated(int(unsafe.Sizeof(branch{})) + 8)

// child is a child of a branch that is being built.
type child struct {
	node  unsafe.Pointer
	bound string
	due   int64
}

// newBranch returns a branch with the given children, 1 to branchMax of them.
func newBranch(level int, children []child, generation uint64) *branch {
	b := &branch{level: uint8(level), n: uint8(len(children)), generation: generation}
	if n := len(children); n > 1 {
		shared := commonPrefix(children[1].bound, children[n-1].bound)
		b.shared = uint16(shared)
		copy(b.prefix[:], children[1].bound[:shared])
	}
	bounds := concatBounds(children)
	for i, c := range children {
		b.nodes[i], b.due[i] = c.node, c.due
		b.bounds[i], bounds = bounds[:len(c.bound)], bounds[len(c.bound):]
		if i > 0 {
			b.heads[i] = head(c.bound[b.shared:])
		}
	}
	return b
}

// concatBounds returns the children's bounds in one string. Bounds are short and long-lived. Allocated one by one
// among short strings that soon become garbage, every few of them would keep a page alive.
func concatBounds(children []child) string {
	var joined strings.Builder
	size := 0
	for _, c := range children {
		size += len(c.bound)
	}
	joined.Grow(size)
	for _, c := range children {
		joined.WriteString(c.bound)
	}
	return joined.String()
}

// clone returns a copy of b.
func (b *branch) clone(generation uint64) *branch {
	c := *b
	c.generation = generation
	return &c
}

func (b *branch) leaf(i int) *leaf     { return (*leaf)(atomic.LoadPointer(&b.nodes[i])) }
func (b *branch) branch(i int) *branch { return (*branch)(atomic.LoadPointer(&b.nodes[i])) }

// set replaces child i.
func (b *branch) set(i int, node unsafe.Pointer) { atomic.StorePointer(&b.nodes[i], node) }

// child returns the index of the child for key: the last one whose bound is not after key.
func (b *branch) child(key string) int {
	n := int(b.n)
	side := b.side(key)
	if n == 1 || side < 0 {
		return 0
	} else if side > 0 {
		return n - 1
	}
	h := head(key[b.shared:])
	low := 1 // children before low have smaller heads
	for left := n - 1; left > 0; {
		half := (left + 1) / 2
		if b.heads[low+half-1] < h {
			low += half
		}
		left -= half
	}
	high := low
	for high < n && b.heads[high] == h {
		high++
	}
	return low + sort.Search(high-low, func(i int) bool { return b.bounds[low+i] > key }) - 1
}

// side returns 0 if key begins with the prefix that all bounds share, -1 if it sorts before all keys that do, and 1
// if after.
func (b *branch) side(key string) int {
	shared := int(b.shared)
	if shared > prefixMax {
		return side(key, b.bounds[1][:shared])
	}
	if len(key) >= shared && key[:shared] == string(b.prefix[:shared]) {
		return 0
	} else if key < string(b.prefix[:shared]) {
		return -1
	}
	return 1
}

func side(key, prefix string) int {
	if strings.HasPrefix(key, prefix) {
		return 0
	}
	return strings.Compare(key, prefix)
}

// head returns the first eight bytes of s as a number, padded with zeros.
func head(s string) uint64 {
	if len(s) >= 8 {
		return binary.BigEndian.Uint64([]byte(s[:8]))
	}
	var b [8]byte
	copy(b[:], s)
	return binary.BigEndian.Uint64(b[:])
}

// commonPrefix returns the length of the longest common prefix of a and b.
func commonPrefix(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// ascend calls each with the entries whose keys are at or after from, until each returns false.
func (b *branch) ascend(from string, each func(*Entry) bool) bool {
	for i := b.child(from); i < int(b.n); i++ {
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

// ascendLeaves calls each with the entries of one leaf in so many, in order, after it has passed skip leaves.
func (b *branch) ascendLeaves(skip *int, every int, each func(*Entry)) {
	for i := range int(b.n) {
		switch {
		case b.level > 0:
			b.branch(i).ascendLeaves(skip, every, each)
			continue
		case *skip == 0:
			b.leaf(i).ascend("", func(e *Entry) bool {
				each(e)
				return true
			})
			*skip = every
		}
		*skip--
	}
}

// descend calls each with the entries whose keys are before end, or with all if it is empty, from the last to the first,
// until each returns false.
func (b *branch) descend(end string, each func(*Entry) bool) bool {
	last := int(b.n) - 1
	if end != "" {
		last = b.child(end)
	}
	for i := last; i >= 0; i-- {
		goOn := false
		if b.level == 0 {
			goOn = b.leaf(i).descend(end, each)
		} else {
			goOn = b.branch(i).descend(end, each)
		}
		if !goOn {
			return false
		}
		end = ""
	}
	return true
}
