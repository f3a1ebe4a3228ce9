package tree

import "fmt"

// Verify returns the first violated invariant of the tree, or nil. It visits every entry, and is for tests.
func (t *Tree) Verify() error {
	v := verifier{tree: t}
	v.branch(t.latest, "", "\xff\xff")
	if v.keys != t.keys || v.bytes != t.bytes {
		v.wrong("counted %d keys and %d bytes, found %d and %d", t.keys, t.bytes, v.keys, v.bytes)
	}
	if t.root.Load() != t.latest {
		v.wrong("readers see a different root")
	}
	return v.err
}

type verifier struct {
	tree        *Tree
	keys, bytes int64
	err         error
}

func (v *verifier) wrong(format string, args ...any) {
	if v.err == nil {
		v.err = fmt.Errorf(format, args...)
	}
}

// branch checks that the keys of b are at or after from and before to, and returns its earliest deadline.
func (v *verifier) branch(b *branch, from, to string) int64 {
	v.bytes += branchBytes
	if b.n < 1 || int(b.n) > v.tree.limits.branch {
		v.wrong("a branch has %d children", b.n)
	}
	earliest := int64(Never)
	for i := range int(b.n) {
		low, high := from, to
		if i > 0 {
			low = b.bounds[i]
		}
		if i+1 < int(b.n) {
			high = b.bounds[i+1]
		}
		if low < from || high > to || low >= high {
			v.wrong("child %d of %d covers %q..%q outside %q..%q", i, b.n, low, high, from, to)
		}
		due := v.child(b, i, low, high)
		if due < b.due[i] {
			v.wrong("child %d of %d has an entry that expires at %d, before its due time %d", i, b.n, due, b.due[i])
		}
		earliest = min(earliest, b.due[i])
	}
	return earliest
}

func (v *verifier) child(b *branch, i int, low, high string) int64 {
	if b.level > 0 {
		if c := b.branch(i); c.level != b.level-1 {
			v.wrong("a branch of level %d is a child of one of level %d", c.level, b.level)
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
			seen[e.Key()] = true
			v.bytes += e.Bytes()
			if slot, found := l.find(e.Key(), v.tree.Tag(e.Key())); found != e || slot != i {
				v.wrong("find does not return the slot of key %q", e.Key())
			}
			if e.Key() < low || e.Key() >= high {
				v.wrong("key %q is outside its leaf, %q..%q", e.Key(), low, high)
			}
		}
	}
	if v.keys += int64(len(seen)); len(seen) != l.n {
		v.wrong("a leaf counts %d entries, found %d", l.n, len(seen))
	}
	return l.due()
}
