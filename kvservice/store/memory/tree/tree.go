package tree

import (
	"hash/maphash"
	"math/rand/v2"
	"sync/atomic"
	"unsafe"
)

// Tree is an ordered map of entries: a B+tree that one goroutine at a time changes while any number read.
// Readers take no lock and wait for nothing. They start from the root and follow pointers, each of which
// leads to a complete node; what they find was there at some instant since they started.
//
// The range of keys that a node is for never changes. To write or remove an entry is to set one pointer in a
// leaf. To divide or join nodes is to make new ones and to hang them in where the old ones were, which stay
// as they are for whoever still reads them.
//
// Nodes that were made before the generation frozen are copied before anything in them is set. So a root can
// be kept as it is ([Tree.Freeze]), or be prepared out of sight ([Tree.Begin]).
type Tree struct {
	root atomic.Pointer[branch] // what readers see
	seed maphash.Seed
	_    [48]byte // keeps what writers change out of the cache line that readers need

	// What follows is of writers alone.
	treeState
	limits     limits
	generation uint64
	frozen     uint64
	hidden     bool    // root is not to follow latest
	path       []step  // from the root to a leaf, as the last search left it
	children   []child // room for the children of a branch, kept to be used again
}

// treeState is what [Tree.Rollback] restores.
type treeState struct {
	latest *branch // the root, which readers may not see yet
	keys   int64
	bytes  int64 // of the entries and nodes
}

// step is a branch on a path and which of its children the path goes to.
type step struct {
	b *branch
	i int
}

// New makes an empty tree.
func New() *Tree { return newTree(limits{leafMax, branchMax}) }

// NewDeep makes an empty tree whose nodes have fewer entries and children than they could, so that it is deep
// although it has few entries. It is for tests.
func NewDeep() *Tree { return newTree(limits{leaf: 8, branch: 12}) }

func newTree(l limits) *Tree {
	t := &Tree{seed: maphash.MakeSeed(), limits: l}
	t.clear()
	return t
}

// Len returns how many entries there are, as the writer sees it.
func (t *Tree) Len() int64 { return t.keys }

// Bytes returns what the entries and nodes take of the heap, as the writer sees it.
func (t *Tree) Bytes() int64 { return t.bytes }

// View is all entries from one root on.
type View struct{ root *branch }

// View returns what readers see now. What writers do meanwhile may be in it or not.
func (t *Tree) View() View { return View{t.root.Load()} }

// Latest returns what the writer sees.
func (t *Tree) Latest() View { return View{t.latest} }

// Ascend calls each with the entries from the key from on, until each returns false.
func (v View) Ascend(from string, each func(*Entry) bool) { v.root.ascend(from, each) }

// clear makes t empty.
func (t *Tree) clear() {
	first := child{node: unsafe.Pointer(&leaf{generation: t.generation}), due: Never}
	t.setLatest(newBranch(0, []child{first}, t.generation))
	t.keys, t.bytes = 0, leafBytes+branchBytes
}

// Tag is a hash of key. Leaves compare tags before they compare keys.
func (t *Tree) Tag(key string) uint8 { return uint8(maphash.String(t.seed, key)) }

// Get returns the entry of key, which has this tag, or nil, as readers see it.
func (t *Tree) Get(key string, tag uint8) *Entry { return t.root.Load().get(key, tag) }

// Peek returns the entry of key, or nil, as the writer sees it.
func (t *Tree) Peek(key string) *Entry { return t.latest.get(key, t.Tag(key)) }

func (b *branch) get(key string, tag uint8) *Entry {
	for b.level > 0 {
		b = b.branch(b.child(key))
	}
	return b.leaf(b.child(key)).get(key, tag)
}

// Put stores e in place of the entry with its key, if there is one.
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

// Remove removes the entry of key, which is there.
func (t *Tree) Remove(key string) {
	l := t.seek(key)
	i, old := l.find(key, t.Tag(key))
	t.bytes -= old.Bytes()
	t.keys--
	l.remove(i)
	t.rebalance(l)
}

// seek sets path to the leaf that key belongs to, so that all of it may be changed, and returns that leaf.
func (t *Tree) seek(key string) *leaf {
	t.path = t.path[:0]
	for b := t.writable(t.latest); ; b = t.writable(b.branch(t.last().i)) {
		t.path = append(t.path, step{b, b.child(key)})
		if b.level == 0 {
			return t.writableLeaf(b.leaf(t.last().i))
		}
	}
}

// last is the end of path.
func (t *Tree) last() step { return t.path[len(t.path)-1] }

// own returns b, which path leads to, or what takes its place because b is frozen.
func (t *Tree) writable(b *branch) *branch {
	if b.generation < t.frozen {
		b = b.clone(t.generation)
		t.install(unsafe.Pointer(b))
	}
	return b
}

// writableLeaf is own for a leaf.
func (t *Tree) writableLeaf(l *leaf) *leaf {
	if l.generation < t.frozen {
		l = l.clone(t.generation)
		t.install(unsafe.Pointer(l))
	}
	return l
}

// hang puts a node to where path leads.
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

// Freeze returns a view of all entries as they are, which then stays so.
func (t *Tree) Freeze() View {
	t.generation++
	t.frozen = t.generation
	return View{t.latest}
}

// Draft is what [Tree.Begin] found.
type Draft struct {
	state  treeState
	frozen uint64
}

// Begin hides what follows from readers, until commit or rollback.
func (t *Tree) Begin() Draft {
	d := Draft{t.treeState, t.frozen}
	t.Freeze()
	t.hidden = true
	return d
}

// Commit shows readers all at once what was done since begin.
func (t *Tree) Commit(d Draft) {
	t.frozen, t.hidden = d.frozen, false
	t.root.Store(t.latest)
}

// Rollback takes back what was done since begin.
func (t *Tree) Rollback(d Draft) {
	t.treeState, t.frozen, t.hidden = d.state, d.frozen, false
}

// Sample calls each with what is in some slots of some leaves, all drawn at random.
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

// draw returns a leaf at random.
func (b *branch) draw() *leaf {
	for b.level > 0 {
		b = b.branch(rand.IntN(int(b.n)))
	}
	return b.leaf(rand.IntN(int(b.n)))
}
