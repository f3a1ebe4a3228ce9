// Package tree is an ordered index of entries in memory whose reads take no lock.
//
// It is made for package memory: an [Entry] is one allocation that the garbage collector does not scan, and the tree tracks
// how much heap memory it takes and when entries may expire next. docs/adr/0012-own-tree.md says why it is not a library.
package tree

import (
	"hash/maphash"
	"math/rand/v2"
	"sync/atomic"
	"unsafe"
)

// Tree is an ordered map of entries: a B+tree with one writer at a time and any number of concurrent readers. Readers
// take no lock and never wait. They follow pointers from the root, each of which leads to a complete node; what they
// find existed at some instant since they started.
//
// The range of keys that a node covers never changes. Writing or removing an entry sets one pointer in a leaf.
// Splitting or merging nodes makes new ones and installs them in place of the old ones, which stay intact for readers
// that still use them.
//
// Nodes of generations before frozen are copied on write. That is how a root is preserved ([Tree.Freeze]) or prepared
// out of sight of readers ([Tree.Begin]).
type Tree struct {
	root atomic.Pointer[branch] // what readers see
	seed maphash.Seed
	_    [48]byte // separates the cache line that readers use from what the writer changes

	// The fields below are used by the writer only.
	treeState
	limits     limits
	generation uint64
	frozen     uint64
	hidden     bool    // whether changes to latest are withheld from root
	path       []step  // from the root to a leaf, as the last search left it
	children   []child // scratch space for the children of a branch
}

// treeState is the state that [Tree.Rollback] restores.
type treeState struct {
	latest *branch // the writer's root, which readers may not see yet
	keys   int64
	bytes  int64 // of the entries and nodes
}

// step is a branch on a path, and the index of the child that the path takes.
type step struct {
	b *branch
	i int
}

// New returns an empty tree.
func New() *Tree { return newTree(limits{leafMax, branchMax}) }

// NewDeep returns an empty tree with small nodes, so that it becomes deep with few entries. It is for tests.
func NewDeep() *Tree { return newTree(limits{leaf: 8, branch: 12}) }

func newTree(l limits) *Tree {
	t := &Tree{seed: maphash.MakeSeed(), limits: l}
	t.clear()
	return t
}

// Len returns the number of entries, as the writer sees it.
func (t *Tree) Len() int64 { return t.keys }

// Bytes returns the heap memory that entries and nodes take, as the writer sees it.
func (t *Tree) Bytes() int64 { return t.bytes }

// View is a root and all entries below it.
type View struct{ root *branch }

// View returns what readers see now. Concurrent writes may or may not appear in it.
func (t *Tree) View() View { return View{t.root.Load()} }

// Latest returns what the writer sees.
func (t *Tree) Latest() View { return View{t.latest} }

// Ascend calls each with the entries whose keys are at or after from, in order, until each returns false.
func (v View) Ascend(from string, each func(*Entry) bool) { v.root.ascend(from, each) }

// Descend calls each with the entries whose keys are before end, from the last to the first, until each returns false. An
// empty end means all entries.
func (v View) Descend(end string, each func(*Entry) bool) { v.root.descend(end, each) }

// AscendLeaves calls each with the entries of one leaf in so many, in order, beginning with the leaf at index first.
func (v View) AscendLeaves(first, every int, each func(*Entry)) {
	v.root.ascendLeaves(&first, every, each)
}

// clear empties t.
func (t *Tree) clear() {
	first := child{node: unsafe.Pointer(&leaf{generation: t.generation}), due: Never}
	t.setLatest(newBranch(0, []child{first}, t.generation))
	t.keys, t.bytes = 0, leafBytes+branchBytes
}

// Tag returns a hash of key. Leaves compare tags before they compare keys.
func (t *Tree) Tag(key string) uint8 { return uint8(maphash.String(t.seed, key)) }

// Get returns the entry of key, as readers see it, or nil. Tag is the key's tag.
func (t *Tree) Get(key string, tag uint8) *Entry { return t.root.Load().get(key, tag) }

// Peek returns the entry of key, as the writer sees it, or nil.
func (t *Tree) Peek(key string) *Entry { return t.latest.get(key, t.Tag(key)) }

func (b *branch) get(key string, tag uint8) *Entry {
	for b.level > 0 {
		b = b.branch(b.child(key))
	}
	return b.leaf(b.child(key)).get(key, tag)
}

// Put stores e, and replaces the entry with the same key if there is one.
func (t *Tree) Put(e *Entry) {
	l, tag := t.seek(e.Key()), t.Tag(e.Key())
	t.bytes += e.Bytes()
	if i, old := l.find(e.Key(), tag); old != nil {
		t.bytes -= old.Bytes()
		l.entries[i].Store(e)
		t.lowerDue(e.Deadline)
		return
	}
	t.keys++
	if l.n == t.limits.leaf {
		t.splitLeaf(l, e)
		return
	}
	l.add(e, tag)
	t.lowerDue(e.Deadline)
}

// Remove removes the entry of key, which must exist.
func (t *Tree) Remove(key string) {
	l := t.seek(key)
	i, old := l.find(key, t.Tag(key))
	t.bytes -= old.Bytes()
	t.keys--
	l.remove(i)
	t.rebalance(l)
}

// seek sets path to the leaf for key, makes all nodes on it writable, and returns the leaf.
func (t *Tree) seek(key string) *leaf {
	t.path = t.path[:0]
	for b := t.writable(t.latest); ; b = t.writable(b.branch(t.last().i)) {
		t.path = append(t.path, step{b, b.child(key)})
		if b.level == 0 {
			return t.writableLeaf(b.leaf(t.last().i))
		}
	}
}

// last returns the last step of path.
func (t *Tree) last() step { return t.path[len(t.path)-1] }

// writable returns b, the branch that path leads to, or the copy that replaces it because b is frozen.
func (t *Tree) writable(b *branch) *branch {
	if b.generation < t.frozen {
		b = b.clone(t.generation)
		t.install(unsafe.Pointer(b))
	}
	return b
}

// writableLeaf is writable for a leaf.
func (t *Tree) writableLeaf(l *leaf) *leaf {
	if l.generation < t.frozen {
		l = l.clone(t.generation)
		t.install(unsafe.Pointer(l))
	}
	return l
}

// install puts node in the place that path leads to.
func (t *Tree) install(node unsafe.Pointer) {
	if len(t.path) == 0 {
		t.setLatest((*branch)(node))
		return
	}
	t.last().b.set(t.last().i, node)
}

func (t *Tree) setLatest(b *branch) {
	t.latest = b
	if !t.hidden {
		t.root.Store(b)
	}
}

// Freeze returns a view of the current entries that later writes do not change.
func (t *Tree) Freeze() View {
	t.generation++
	t.frozen = t.generation
	return View{t.latest}
}

// Draft is the state before [Tree.Begin].
type Draft struct {
	state  treeState
	frozen uint64
}

// Begin hides subsequent changes from readers until Commit or Rollback.
func (t *Tree) Begin() Draft {
	d := Draft{t.treeState, t.frozen}
	t.Freeze()
	t.hidden = true
	return d
}

// Commit makes the changes since Begin visible to readers, all at once.
func (t *Tree) Commit(d Draft) {
	t.frozen, t.hidden = d.frozen, false
	t.root.Store(t.latest)
}

// Rollback undoes the changes since Begin.
func (t *Tree) Rollback(d Draft) {
	t.treeState, t.frozen, t.hidden = d.state, d.frozen, false
}

// Sample calls each with the entries found in randomly chosen slots of randomly chosen leaves.
func (t *Tree) Sample(leaves, slots int, each func(*Entry)) {
	for range leaves {
		l := t.latest.draw()
		for range slots {
			if e := l.entries[rand.IntN(leafMax)].Load(); e != nil {
				each(e)
			}
		}
	}
}

// draw returns a random leaf.
func (b *branch) draw() *leaf {
	for b.level > 0 {
		b = b.branch(rand.IntN(int(b.n)))
	}
	return b.leaf(rand.IntN(int(b.n)))
}
