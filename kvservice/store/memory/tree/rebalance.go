package tree

import (
	"slices"
	"unsafe"
)

// limits are the maximum numbers of entries in a leaf and of children in a branch.
type limits struct{ leaf, branch int }

// A node with fewer than underfull entries is merged with a neighbour if the result has at most mergedMax, so that
// neither is split or merged again soon. Splitting fills leaves up to fillTarget.
func underfull(limit int) int  { return limit / 4 }
func mergedMax(limit int) int  { return limit * 3 / 4 }
func fillTarget(limit int) int { return limit * 7 / 8 }

// splice replaces the children from (inclusive) to to (exclusive) of the branch at depth of path.
func (t *Tree) splice(depth, from, to int, by ...child) {
	b := t.path[depth].b
	children := b.appendChildren(t.children[:0])
	t.children = children
	defer clear(children) // they are copied by then
	appended := to == len(children)
	children = slices.Replace(children, from, to, by...)
	t.bytes -= branchBytes
	t.path = t.path[:depth]
	switch n := len(children); {
	case n == 0:
		t.removeBranch(depth)
	case n <= t.limits.branch:
		t.replaceBranch(depth, int(b.level), children)
	case appended:
		t.splitBranch(depth, int(b.level), children, n-1)
	default:
		t.splitBranch(depth, int(b.level), children, n/2)
	}
}

// appendChildren appends b's children to all.
func (b *branch) appendChildren(all []child) []child {
	for i := range int(b.n) {
		all = append(all, child{b.nodes[i], b.bounds[i], b.due[i]})
	}
	return all
}

// asChild returns b as a child with the given bound.
func (b *branch) asChild(bound string) child { return child{unsafe.Pointer(b), bound, b.earliest()} }

// removeBranch removes the branch at depth, which has lost its last child.
func (t *Tree) removeBranch(depth int) {
	if depth == 0 {
		t.clear()
		return
	}
	i := t.path[depth-1].i
	t.splice(depth-1, i, i+1)
}

// splitBranch replaces the branch at depth with two that have the given children, split at middle.
func (t *Tree) splitBranch(depth, level int, children []child, middle int) {
	bound := ""
	if depth > 0 {
		bound = t.path[depth-1].b.bounds[t.path[depth-1].i]
	}
	left := newBranch(level, children[:middle], t.generation).asChild(bound)
	right := newBranch(level, children[middle:], t.generation).asChild(children[middle].bound)
	t.bytes += 2 * branchBytes
	if depth == 0 {
		t.bytes += branchBytes
		t.setLatest(newBranch(level+1, []child{left, right}, t.generation))
		return
	}
	i := t.path[depth-1].i
	t.splice(depth-1, i, i+1, left, right)
}

// replaceBranch replaces the branch at depth with one that has the given children, or merges it with a neighbour.
func (t *Tree) replaceBranch(depth, level int, children []child) {
	if depth == 0 {
		t.replaceRoot(level, children)
		return
	}
	up := t.path[depth-1]
	if len(children) < underfull(t.limits.branch) {
		for _, left := range []int{up.i - 1, up.i} {
			if left >= 0 && left+1 < int(up.b.n) && t.mergeBranch(depth, left, children) {
				return
			}
		}
	}
	t.bytes += branchBytes
	b := newBranch(level, children, t.generation)
	t.install(unsafe.Pointer(b))
	t.setDue(b.earliest())
}

// replaceRoot replaces the root with a branch that has the given children, or with its only child.
func (t *Tree) replaceRoot(level int, children []child) {
	if len(children) == 1 && level > 0 {
		t.setLatest((*branch)(children[0].node))
		return
	}
	t.bytes += branchBytes
	t.setLatest(newBranch(level, children, t.generation))
}

// mergeBranch merges the given children of the branch at depth with those of its neighbour, if the result is small
// enough. The two branches are the children left and left+1 of the branch above.
func (t *Tree) mergeBranch(depth, left int, children []child) bool {
	up := t.path[depth-1]
	other := up.b.branch(left + 1 - (up.i - left))
	if len(children)+int(other.n) > mergedMax(t.limits.branch) {
		return false
	}
	joined := other.appendChildren(nil)
	if left == up.i {
		joined[0].bound = up.b.bounds[left+1]
		joined = append(slices.Clip(children), joined...)
	} else {
		children[0].bound = up.b.bounds[left+1]
		joined = append(joined, children...)
	}
	b := newBranch(int(other.level), joined, t.generation)
	t.splice(depth-1, left, left+2, b.asChild(up.b.bounds[left]))
	return true
}

// splitLeaf makes room for e in l, the full leaf that path leads to, by distributing the entries of l and of a
// neighbour over new leaves. With keys in random order leaves are then four fifths full; splitting l alone would
// leave them two thirds full. With keys in ascending order it leaves full leaves behind.
func (t *Tree) splitLeaf(l *leaf, e *Entry) {
	at := t.last()
	entries := l.sorted("", "", make([]*Entry, 0, 2*leafMax+1))
	if entries[l.n-1].Key() < e.Key() {
		t.replaceLeaves(at.i, at.i+1, append(entries, e), l.n)
		return
	}
	from, to := at.i, at.i+1
	if other := t.emptierNeighbour(); other >= 0 {
		from, to = min(from, other), max(to, other+1)
		entries = at.b.leaf(other).sorted("", "", entries)
	}
	entries = append(entries, e)
	slices.SortFunc(entries, byKey)
	each := fillTarget(t.limits.leaf)
	leaves := (len(entries) + each - 1) / each
	t.replaceLeaves(from, to, entries, (len(entries)+leaves-1)/leaves)
}

// emptierNeighbour returns the index of the neighbour with fewer entries of the leaf that path leads to, or -1 if it
// has none.
func (t *Tree) emptierNeighbour() int {
	at, best := t.last(), -1
	for _, i := range []int{at.i - 1, at.i + 1} {
		if i >= 0 && i < int(at.b.n) && (best < 0 || at.b.leaf(i).n < at.b.leaf(best).n) {
			best = i
		}
	}
	return best
}

// rebalance removes or merges l, the leaf that path leads to, if it has become empty or small.
func (t *Tree) rebalance(l *leaf) {
	at, depth := t.last(), len(t.path)-1
	if l.n == 0 {
		t.bytes -= leafBytes
		t.splice(depth, at.i, at.i+1)
		return
	}
	if l.n >= underfull(t.limits.leaf) {
		return
	}
	for _, left := range []int{at.i - 1, at.i} {
		if left >= 0 && left+1 < int(at.b.n) && at.b.leaf(left).n+at.b.leaf(left+1).n <= mergedMax(t.limits.leaf) {
			entries := at.b.leaf(left).sorted("", "", nil)
			entries = at.b.leaf(left+1).sorted("", "", entries)
			t.replaceLeaves(left, left+2, entries, len(entries))
			return
		}
	}
}

// replaceLeaves replaces the children from (inclusive) to to (exclusive) of the last branch on path with leaves of
// the given entries, which are sorted. Each leaf gets perLeaf entries.
func (t *Tree) replaceLeaves(from, to int, entries []*Entry, perLeaf int) {
	bound := t.last().b.bounds[from]
	var by []child
	for begin := 0; begin < len(entries); begin += perLeaf {
		if begin > 0 {
			bound = boundBetween(entries[begin-1].Key(), entries[begin].Key())
		}
		by = append(by, t.newLeaf(entries[begin:min(begin+perLeaf, len(entries))], bound))
	}
	t.bytes += int64(len(by)-(to-from)) * leafBytes
	t.splice(len(t.path)-1, from, to, by...)
}

// newLeaf returns a leaf with entries.
func (t *Tree) newLeaf(entries []*Entry, bound string) child {
	l := &leaf{generation: t.generation}
	for _, e := range entries {
		l.add(e, t.Tag(e.Key()))
	}
	return child{unsafe.Pointer(l), bound, l.due()}
}

// boundBetween returns the shortest string s with left < s <= right. It shares right's memory.
func boundBetween(left, right string) string {
	return right[:commonPrefix(left, right)+1]
}

// Growth returns how much memory inserting key can add to the tree, beside its entry: nothing if its leaf has a free
// slot, else a leaf, and a branch for each full branch above it.
func (t *Tree) Growth(key string) int64 {
	b, grown := t.latest, branchBytes // a new root, if all branches are full
	for {
		if int(b.n) < t.limits.branch {
			grown = 0
		} else {
			grown += branchBytes
		}
		if b.level == 0 {
			break
		}
		b = b.branch(b.child(key))
	}
	if b.leaf(b.child(key)).n < t.limits.leaf {
		return 0
	}
	return grown + leafBytes
}
