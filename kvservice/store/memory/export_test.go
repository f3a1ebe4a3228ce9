package memory

import (
	"fmt"
)

// NewDeep makes an engine with a tree that is deep although it has few entries.
func NewDeep(options Options) *Engine {
	e := New(options)
	e.tree.limits = limits{leaf: 8, branch: 12}
	return e
}

// Verify says what is wrong with the engine's tree, if anything is.
func (e *Engine) Verify() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	v := verifier{tree: e.tree}
	v.branch(e.tree.top, "", "\xff\xff")
	if v.keys != e.tree.keys || v.bytes != e.tree.bytes {
		v.wrong("it counts %d keys and %d bytes, and has %d and %d", e.tree.keys, e.tree.bytes, v.keys, v.bytes)
	}
	if e.tree.root.Load() != e.tree.top {
		v.wrong("readers see another root")
	}
	return v.err
}

// AllocatedBytes is what the engine thinks that n bytes take of the heap.
func AllocatedBytes(n int) int64 { return allocated(n) }

// SortedLeaf returns what readers find in a leaf that has entries of these keys, in revisions from 1 on: each
// key with its revision.
func SortedLeaf(keys ...string) []string {
	l := &leaf{}
	for i, key := range keys {
		l.add(pack(change{revision: uint64(i + 1)}, key, nil), 0)
	}
	var found []string
	for _, e := range l.sorted("", nil) {
		found = append(found, fmt.Sprint(e.key(), e.revision))
	}
	return found
}

type verifier struct {
	tree        *tree
	keys, bytes int64
	err         error
}

func (v *verifier) wrong(format string, args ...any) {
	if v.err == nil {
		v.err = fmt.Errorf(format, args...)
	}
}

// branch checks the keys of b against from and to, and returns its earliest deadline.
func (v *verifier) branch(b *branch, from, to string) int64 {
	v.bytes += branchBytes
	if b.n < 1 || int(b.n) > v.tree.limits.branch {
		v.wrong("a branch has %d children", b.n)
	}
	earliest := int64(never)
	for i := range int(b.n) {
		low, high := from, to
		if i > 0 {
			low = b.bounds[i]
		}
		if i+1 < int(b.n) {
			high = b.bounds[i+1]
		}
		if low < from || high > to || low >= high {
			v.wrong("child %d of %d in %q..%q has %q..%q", i, b.n, from, to, low, high)
		}
		due := v.child(b, i, low, high)
		if due < b.due[i] {
			v.wrong("child %d of %d is due at %d, not before %d", i, b.n, due, b.due[i])
		}
		earliest = min(earliest, b.due[i])
	}
	return earliest
}

func (v *verifier) child(b *branch, i int, low, high string) int64 {
	if b.level > 0 {
		if c := b.branch(i); c.level != b.level-1 {
			v.wrong("a branch of level %d is under one of level %d", c.level, b.level)
		}
		return v.branch(b.branch(i), low, high)
	}
	return v.leaf(b.leaf(i), low, high)
}

func (v *verifier) leaf(l *leaf, low, high string) int64 {
	v.bytes += leafBytes
	if l.n == 0 && v.tree.keys > 0 {
		v.wrong("a leaf has no entries")
	}
	seen := map[string]bool{}
	for i := range l.entries {
		if e := l.entries[i].Load(); e != nil {
			seen[e.key()] = true
			v.bytes += e.bytes()
			if slot, found := l.find(e.key(), v.tree.tag(e.key())); found != e || slot != i {
				v.wrong("key %q is not found in its slot", e.key())
			}
			if e.key() < low || e.key() >= high {
				v.wrong("key %q is in %q..%q", e.key(), low, high)
			}
		}
	}
	if v.keys += int64(len(seen)); len(seen) != l.n {
		v.wrong("a leaf counts %d entries and has %d", l.n, len(seen))
	}
	return l.due()
}
