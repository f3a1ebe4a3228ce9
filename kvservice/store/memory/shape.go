package memory

import (
	"slices"
	"strings"
	"unsafe"
)

// A node is joined with a neighbour if it has fewer than a quarter of what it may have, and the two
// together no more than three quarters: so neither is divided or joined again soon.
const (
	leafFew    = leafMax / 4
	leafJoin   = leafMax * 3 / 4
	branchFew  = branchMax / 4
	branchJoin = branchMax * 3 / 4
)

// splice replaces the children from..to of the branch at depth of path by others.
func (t *tree) splice(depth, from, to int, by ...child) {
	b := t.path[depth].b
	children := b.children()
	appended := to == len(children)
	children = slices.Replace(children, from, to, by...)
	t.bytes -= branchBytes
	t.path = t.path[:depth]
	switch n := len(children); {
	case n == 0:
		t.prune(depth)
	case n <= branchMax:
		t.settle(depth, b.level, children)
	case appended:
		t.divideBranch(depth, b.level, children, n-1)
	default:
		t.divideBranch(depth, b.level, children, n/2)
	}
}

// children returns b's children.
func (b *branch) children() []child {
	all := make([]child, b.n, b.n+1)
	for i := range all {
		all[i] = child{b.nodes[i], b.bounds[i], b.due[i]}
	}
	return all
}

// under returns b as a child.
func (b *branch) under(bound string) child { return child{unsafe.Pointer(b), bound, b.earliest()} }

// prune removes the branch at depth, which has lost its last child.
func (t *tree) prune(depth int) {
	if depth == 0 {
		t.clear()
		return
	}
	i := t.path[depth-1].i
	t.splice(depth-1, i, i+1)
}

// divideBranch puts two branches with children in place of the one at depth.
func (t *tree) divideBranch(depth, level int, children []child, middle int) {
	bound := ""
	if depth > 0 {
		bound = t.path[depth-1].b.bounds[t.path[depth-1].i]
	}
	left := newBranch(level, children[:middle], t.generation).under(bound)
	right := newBranch(level, children[middle:], t.generation).under(children[middle].bound)
	t.bytes += 2 * branchBytes
	if depth == 0 {
		t.bytes += branchBytes
		t.setTop(newBranch(level+1, []child{left, right}, t.generation))
		return
	}
	i := t.path[depth-1].i
	t.splice(depth-1, i, i+1, left, right)
}

// settle puts a branch with children in place of the one at depth, or joins it with a neighbour.
func (t *tree) settle(depth, level int, children []child) {
	if depth == 0 {
		t.settleTop(level, children)
		return
	}
	up := t.path[depth-1]
	if len(children) < branchFew {
		for _, left := range []int{up.i - 1, up.i} {
			if left >= 0 && left+1 < up.b.n && t.joinBranch(depth, left, children) {
				return
			}
		}
	}
	t.bytes += branchBytes
	b := newBranch(level, children, t.generation)
	t.hang(unsafe.Pointer(b))
	t.bound(b.earliest())
}

// settleTop makes a branch with children the root, or its only child.
func (t *tree) settleTop(level int, children []child) {
	if len(children) == 1 && level > 0 {
		t.setTop((*branch)(children[0].node))
		return
	}
	t.bytes += branchBytes
	t.setTop(newBranch(level, children, t.generation))
}

// joinBranch joins the children of the branch at depth with those of its neighbour, if they are few enough.
// The two are the children left and left+1 of the branch above.
func (t *tree) joinBranch(depth, left int, children []child) bool {
	up := t.path[depth-1]
	other := up.b.branch(left + 1 - (up.i - left))
	if len(children)+other.n > branchJoin {
		return false
	}
	joined := other.children()
	if left == up.i {
		joined[0].bound = up.b.bounds[left+1]
		joined = append(slices.Clip(children), joined...)
	} else {
		children[0].bound = up.b.bounds[left+1]
		joined = append(joined, children...)
	}
	b := newBranch(other.level, joined, t.generation)
	t.splice(depth-1, left, left+2, b.under(up.b.bounds[left]))
	return true
}

// shrink puts a leaf in place of old, which path leads to, and of which some entries are left; or it joins
// it with a neighbour. None of what is left expires before due.
func (t *tree) shrink(old, left *leaf, due int64) {
	t.bytes -= old.bytes()
	depth := len(t.path) - 1
	at := t.path[depth]
	if len(left.entries) == 0 {
		t.splice(depth, at.i, at.i+1)
		return
	}
	if len(left.entries) < leafFew {
		for _, i := range []int{at.i - 1, at.i} {
			if i >= 0 && i+1 < at.b.n && t.joinLeaf(i, left, due) {
				return
			}
		}
	}
	t.bytes += left.bytes()
	t.hang(unsafe.Pointer(left))
	t.bound(due)
}

// joinLeaf joins l with its neighbour, if they are small enough. The two are the children i and i+1 of the
// last branch on path.
func (t *tree) joinLeaf(i int, l *leaf, due int64) bool {
	depth := len(t.path) - 1
	at := t.path[depth]
	other := i + 1 - (at.i - i)
	left, right := l, at.b.leaf(other)
	if other == i {
		left, right = right, left
	}
	if len(left.entries)+len(right.entries) > leafJoin {
		return false
	}
	joined := left.join(right, t.generation)
	t.bytes += joined.bytes() - at.b.leaf(other).bytes()
	t.splice(depth, i, i+2, child{unsafe.Pointer(joined), at.b.bounds[i], min(due, at.b.due[other])})
	return true
}

// boundBetween returns the shortest string that is after the keys of left and not after those of right.
func boundBetween(left, right *leaf) string {
	last, first := left.entries[len(left.entries)-1].Load().key(), right.entries[0].Load().key()
	return strings.Clone(first[:commonPrefix(last, first)+1])
}
