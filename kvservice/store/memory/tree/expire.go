package tree

// Finding what expires next needs no further structure: each branch has, for each child, an instant before which
// nothing in the child expires. That instant may be too early, because it stays when the entry it came from is
// overwritten; the next search there corrects it. The cost is eight bytes for each leaf, and each write causes at
// most one search in vain.

// NextDue returns an instant before which nothing expires.
func (t *Tree) NextDue() int64 { return t.latest.earliest() }

// Expire removes the expired entries of one leaf, the one where entries may expire next, and appends them to expired.
func (t *Tree) Expire(now int64, expired []*Entry) []*Entry {
	l := t.seekDue()
	for i := range l.entries {
		if e := l.entries[i].Load(); e != nil && e.Expired(now) {
			l.remove(i)
			t.bytes -= e.Bytes()
			t.keys--
			expired = append(expired, e)
		}
	}
	t.setDue(l.due())
	t.rebalance(l)
	return expired
}

// seekDue sets path to the leaf where entries may expire next, makes all nodes on it writable, and returns the leaf.
func (t *Tree) seekDue() *leaf {
	t.path = t.path[:0]
	for b := t.writable(t.latest); ; b = t.writable(b.branch(t.last().i)) {
		i := 0
		for due := b.earliest(); b.due[i] != due; i++ {
		}
		t.path = append(t.path, step{b, i})
		if b.level == 0 {
			return t.writableLeaf(b.leaf(i))
		}
	}
}

// lowerDue records that an entry at the end of path expires at due.
func (t *Tree) lowerDue(due int64) {
	for k := len(t.path) - 1; k >= 0 && due < t.path[k].b.due[t.path[k].i]; k-- {
		t.path[k].b.due[t.path[k].i] = due
	}
}

// setDue records that nothing at the end of path expires before due, and updates the branches above.
func (t *Tree) setDue(due int64) {
	for k := len(t.path) - 1; k >= 0; k-- {
		at := t.path[k]
		at.b.due[at.i] = due
		due = at.b.earliest()
	}
}

// earliest returns the minimum of due.
func (b *branch) earliest() int64 {
	least := b.due[0]
	for _, due := range b.due[1:b.n] {
		least = min(least, due)
	}
	return least
}

// due returns the earliest deadline in l.
func (l *leaf) due() int64 {
	earliest := int64(Never)
	for i := range l.entries {
		if e := l.entries[i].Load(); e != nil {
			earliest = min(earliest, e.Deadline)
		}
	}
	return earliest
}
