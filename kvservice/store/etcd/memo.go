package etcd

import "key-value/kvservice/store"

const (
	// memoKeys is how many keys a memo has.
	memoKeys = 32 << 10
	// memoBytes is how long the values are that it has.
	memoBytes = 128
	// sharedReads is how often a key is read before each write, after another program has written it.
	sharedReads = 16
)

// memo is what the writer left of some keys, so that it need not read them before it writes them again. If another program
// has written them since, the transaction finds out.
type memo map[string]remembered

type remembered struct {
	mod    int64 // zero: there is no entry
	entry  entry
	shared int // how often it is to be read all the same
}

// recall returns what is known of key for operations that need the value, or not.
func (m memo) recall(key string, value bool) *cell {
	r, ok := m[key]
	if !ok || value && r.mod != 0 && r.entry.value == nil {
		return nil
	}
	if r.shared > 0 {
		r.shared--
		m[key] = r
		return nil
	}
	return &cell{key: key, mod: r.mod, exists: r.mod != 0, before: r.entry, now: r.entry}
}

// needsValue reports whether op needs the value of the entry.
func needsValue(op store.Operation) bool {
	return op.Kind == store.Get || op.Kind == store.Increment || op.Kind == store.Touch
}

// learn remembers the cells of a transaction at a revision.
func (m memo) learn(cells []*cell, mod int64) {
	for _, c := range cells {
		if c.last == 0 {
			continue
		}
		r := remembered{shared: m[c.key].shared}
		if c.exists {
			r.mod, r.entry = mod, c.now
			if r.entry.value = nil; c.now.size <= memoBytes {
				r.entry.value = append([]byte{}, c.now.value...) // which may be part of a long message
			}
		}
		m[c.key] = r
	}
	for key := range m {
		if len(m) <= memoKeys {
			break
		}
		delete(m, key)
	}
}

// forget makes keys be read again, because something has changed.
func (m memo) forget(keys map[string]int) {
	for key := range keys {
		if r, ok := m[key]; ok {
			r.shared = sharedReads
			m[key] = r
		}
	}
}
