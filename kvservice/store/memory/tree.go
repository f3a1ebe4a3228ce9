package memory

import (
	"hash/maphash"
	"sync/atomic"
	"unsafe"
)

// tree is an ordered map of entries: a B+tree that one goroutine at a time changes while any number read.
// Readers take no lock and wait for nothing. They start from the root and follow pointers, each of which
// leads to a complete node; what they find was there at some instant since they started.
//
// The range of keys that a node is for never changes. To write or remove an entry is to set one pointer in a
// leaf. To divide or join nodes is to make new ones and to hang them in where the old ones were, which stay
// as they are for whoever still reads them.
//
// Nodes that were made before the generation frozen are copied before anything in them is set. So a root can
// be kept as it is ([tree.freeze]), or be prepared out of sight ([tree.begin]).
type tree struct {
	root atomic.Pointer[branch] // what readers see
	seed maphash.Seed
	_    [48]byte // keeps what writers change out of the cache line that readers need

	// What follows is of writers alone.
	treeState
	limits     limits
	generation uint64
	frozen     uint64
	hidden     bool    // root is not to follow top
	path       []step  // from the root to a leaf, as the last search left it
	children   []child // room for the children of a branch, kept to be used again
}

// treeState is what [tree.rollback] restores.
type treeState struct {
	top   *branch // the root, which readers may not see yet
	keys  int64
	bytes int64 // of the entries and nodes
}

// step is a branch on a path and which of its children the path goes to.
type step struct {
	b *branch
	i int
}

func newTree() *tree {
	t := &tree{seed: maphash.MakeSeed(), limits: limits{leafMax, branchMax}}
	t.clear()
	return t
}

// clear makes t empty.
func (t *tree) clear() {
	first := child{node: unsafe.Pointer(&leaf{made: t.generation}), due: never}
	t.setTop(newBranch(0, []child{first}, t.generation))
	t.keys, t.bytes = 0, leafBytes+branchBytes
}

// tag is a hash of key. Leaves compare tags before they compare keys.
func (t *tree) tag(key string) uint8 { return uint8(maphash.String(t.seed, key)) }

// get returns the entry of key, which has this tag, or nil, as readers see it.
func (t *tree) get(key string, tag uint8) *entry { return t.root.Load().get(key, tag) }

// peek returns the entry of key, or nil, as the writer sees it.
func (t *tree) peek(key string) *entry { return t.top.get(key, t.tag(key)) }

func (b *branch) get(key string, tag uint8) *entry {
	for b.level > 0 {
		b = b.branch(b.child(key))
	}
	return b.leaf(b.child(key)).get(key, tag)
}

// put stores e in place of the entry with its key, if there is one.
func (t *tree) put(e *entry) {
	l, tag := t.seek(e.key()), t.tag(e.key())
	t.bytes += e.bytes()
	if i, old := l.find(e.key(), tag); old != nil {
		t.bytes -= old.bytes()
		l.entries[i].Store(e)
		t.hasten(e.deadline)
		return
	}
	t.keys++
	if l.n == t.limits.leaf {
		t.divide(l, e)
		return
	}
	l.add(e, tag)
	t.hasten(e.deadline)
}

// remove removes the entry of key, which is there.
func (t *tree) remove(key string) {
	l := t.seek(key)
	i, old := l.find(key, t.tag(key))
	t.bytes -= old.bytes()
	t.keys--
	l.drop(i)
	t.shrunk(l)
}

// seek sets path to the leaf that key belongs to, so that all of it may be changed, and returns that leaf.
func (t *tree) seek(key string) *leaf {
	t.path = t.path[:0]
	for b := t.own(t.top); ; b = t.own(b.branch(t.last().i)) {
		t.path = append(t.path, step{b, b.child(key)})
		if b.level == 0 {
			return t.ownLeaf(b.leaf(t.last().i))
		}
	}
}

// last is the end of path.
func (t *tree) last() step { return t.path[len(t.path)-1] }

// own returns b, which path leads to, or what takes its place because b is frozen.
func (t *tree) own(b *branch) *branch {
	if b.made < t.frozen {
		b = b.clone(t.generation)
		t.hang(unsafe.Pointer(b))
	}
	return b
}

// ownLeaf is own for a leaf.
func (t *tree) ownLeaf(l *leaf) *leaf {
	if l.made < t.frozen {
		l = l.clone(t.generation)
		t.hang(unsafe.Pointer(l))
	}
	return l
}

// hang puts a node to where path leads.
func (t *tree) hang(node unsafe.Pointer) {
	if len(t.path) == 0 {
		t.setTop((*branch)(node))
		return
	}
	t.last().b.set(t.last().i, node)
}

func (t *tree) setTop(b *branch) {
	t.top = b
	if !t.hidden {
		t.root.Store(b)
	}
}

// freeze returns the root of all entries as they are, which then stays so.
func (t *tree) freeze() *branch {
	t.generation++
	t.frozen = t.generation
	return t.top
}

// draft is what [tree.begin] found.
type draft struct {
	state  treeState
	frozen uint64
}

// begin hides what follows from readers, until commit or rollback.
func (t *tree) begin() draft {
	d := draft{t.treeState, t.frozen}
	t.freeze()
	t.hidden = true
	return d
}

// commit shows readers all at once what was done since begin.
func (t *tree) commit(d draft) {
	t.frozen, t.hidden = d.frozen, false
	t.root.Store(t.top)
}

// rollback takes back what was done since begin.
func (t *tree) rollback(d draft) {
	t.treeState, t.frozen, t.hidden = d.state, d.frozen, false
}
