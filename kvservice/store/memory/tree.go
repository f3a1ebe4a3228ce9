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
// A node's keys and bounds never change. To write an existing key is to replace one pointer in a leaf. To
// add or remove a key is to make new nodes and to hang them in where the old ones were.
//
// Nodes that were made before the generation frozen are not even changed in that way, but copied first. So
// a root can be kept as it is ([tree.freeze]), or be prepared out of sight ([tree.begin]).
type tree struct {
	root atomic.Pointer[branch] // what readers see
	seed maphash.Seed

	// What follows is of writers alone.
	treeState
	generation uint64
	frozen     uint64
	hidden     bool   // root is not to follow top
	path       []step // from the root to a leaf, as the last search left it
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
	t := &tree{seed: maphash.MakeSeed()}
	t.clear()
	return t
}

// clear makes t empty.
func (t *tree) clear() {
	l := newLeaf(0, t.generation)
	t.setTop(newBranch(0, []child{{node: unsafe.Pointer(l), due: never}}, t.generation))
	t.keys, t.bytes = 0, l.bytes()+branchBytes
}

// tag is a hash of key. Leaves compare tags before they compare keys.
func (t *tree) tag(key string) uint8 { return uint8(maphash.String(t.seed, key)) }

// get returns the entry of key, or nil, as readers see it.
func (t *tree) get(key string) *entry { return t.root.Load().get(key, t.tag(key)) }

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
	if i := l.find(e.key(), tag); i >= 0 {
		t.replace(l, i, e)
	} else {
		t.insert(l, e, tag)
		t.keys++
	}
	t.bytes += e.bytes()
}

// replace stores e at position i of l, which path leads to.
func (t *tree) replace(l *leaf, i int, e *entry) {
	if l.made < t.frozen {
		l = l.part(0, len(l.entries), t.generation)
		t.hang(unsafe.Pointer(l))
	}
	t.bytes -= l.entries[i].Load().bytes()
	l.entries[i].Store(e)
	t.hasten(e.deadline)
}

// insert adds e, whose key is new, to l, which path leads to.
func (t *tree) insert(l *leaf, e *entry, tag uint8) {
	i := l.search(e.key())
	t.bytes -= l.bytes()
	if len(l.entries) < leafMax {
		n := l.with(i, e, tag, t.generation)
		t.bytes += n.bytes()
		t.hang(unsafe.Pointer(n))
		t.hasten(e.deadline)
		return
	}
	left, right := t.divide(l, i, e, tag)
	t.bytes += left.bytes() + right.bytes()
	at := t.path[len(t.path)-1]
	due := min(at.b.due[at.i], e.deadline)
	t.splice(len(t.path)-1, at.i, at.i+1,
		child{unsafe.Pointer(left), at.b.bounds[at.i], due},
		child{unsafe.Pointer(right), boundBetween(left, right), due})
}

// divide returns two leaves with the entries of l, which is full, and with e at position i. Keys often come
// in ascending order: then the left one stays full.
func (t *tree) divide(l *leaf, i int, e *entry, tag uint8) (left, right *leaf) {
	middle := leafMax / 2
	if i == leafMax {
		middle = leafMax
	}
	left, right = l.part(0, middle, t.generation), l.part(middle, leafMax, t.generation)
	if i <= middle && i < leafMax {
		return left.with(i, e, tag, t.generation), right
	}
	return left, right.with(i-middle, e, tag, t.generation)
}

// remove removes the entry of key, which is there.
func (t *tree) remove(key string) {
	l := t.seek(key)
	i := l.find(key, t.tag(key))
	t.bytes -= l.entries[i].Load().bytes()
	t.keys--
	at := t.path[len(t.path)-1]
	t.shrink(l, l.without(i, t.generation), at.b.due[at.i])
}

// seek sets path to the leaf that key belongs to, so that all of it may be changed, and returns that leaf.
func (t *tree) seek(key string) *leaf {
	t.path = t.path[:0]
	for b := t.own(t.top); ; b = t.own(b.branch(t.path[len(t.path)-1].i)) {
		t.path = append(t.path, step{b, b.child(key)})
		if b.level == 0 {
			return b.leaf(t.path[len(t.path)-1].i)
		}
	}
}

// own returns b, which path leads to, or what takes its place because b is frozen.
func (t *tree) own(b *branch) *branch {
	if b.made < t.frozen {
		b = b.clone(t.generation)
		t.hang(unsafe.Pointer(b))
	}
	return b
}

// hang puts a node to where path leads.
func (t *tree) hang(node unsafe.Pointer) {
	if len(t.path) == 0 {
		t.setTop((*branch)(node))
		return
	}
	last := t.path[len(t.path)-1]
	last.b.set(last.i, node)
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
