package redis

import (
	"maps"
	"slices"
	"sync"

	"key-value/kvservice/store"
)

const (
	// inboxChanges is how many changes an inbox holds.
	inboxChanges = 1000
	// inboxBytes bounds the memory of all inboxes together, in bytes: they hold only what is among the latest changes.
	inboxBytes = 8 << 20
)

// inbox holds changes that wait for one watch. It is emptied when they are too many or too old. The watch then reads them
// from the shards, which keep them longer, so one whose reader has stopped keeps none in memory.
type inbox struct {
	ready chan struct{} // has an element after a change

	mu      sync.Mutex
	changes []change // guarded by mu
	missed  bool     // whether changes were dropped since the watch joined; guarded by mu
	err     error    // why no more changes will come; guarded by mu
}

func (b *inbox) add(c change) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.missed || b.err != nil {
		return
	}
	if b.changes = append(b.changes, c); len(b.changes) > inboxChanges {
		b.changes, b.missed = nil, true
	}
	b.signal()
}

// dropUpTo empties the inbox if it holds changes from the first read bytes of changes.
func (b *inbox) dropUpTo(read int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.changes) > 0 && b.changes[0].read <= read {
		b.changes, b.missed = nil, true
	}
}

// fail records why no more changes will come.
func (b *inbox) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = err
	}
	b.signal()
}

func (b *inbox) signal() {
	select {
	case b.ready <- struct{}{}:
	default:
	}
}

// take returns the oldest change. Its second result is false if there is none; then missed reports whether changes
// were dropped, and err says why no more will come.
func (b *inbox) take() (c change, ok, missed bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.changes) == 0 {
		b.changes = nil
		return change{}, false, b.missed, b.err
	}
	c, b.changes[0], b.changes = b.changes[0], change{}, b.changes[1:]
	return c, true, false, nil
}

// clear empties the inbox.
func (b *inbox) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.changes, b.missed = nil, false
}

func (b *inbox) empty() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.changes) == 0 && !b.missed && b.err == nil
}

// registry finds the watches that a change concerns.
type registry struct {
	keys     map[string]map[*watch]struct{} // :: key → its watches
	prefixes map[string]map[*watch]struct{} // :: prefix → its watches
	lengths  []int                          // of the prefixes, without duplicates
}

func newRegistry() registry {
	return registry{keys: map[string]map[*watch]struct{}{}, prefixes: map[string]map[*watch]struct{}{}}
}

// of returns the map that has the watches of t.
func (r *registry) of(t store.Target) map[string]map[*watch]struct{} {
	if t.Single {
		return r.keys
	}
	return r.prefixes
}

func (r *registry) add(w *watch) {
	all := r.of(w.target)
	if all[w.target.Name] == nil {
		all[w.target.Name] = map[*watch]struct{}{}
		r.measure()
	}
	all[w.target.Name][w] = struct{}{}
}

func (r *registry) remove(w *watch) {
	all := r.of(w.target)
	delete(all[w.target.Name], w)
	if len(all[w.target.Name]) == 0 {
		delete(all, w.target.Name)
		r.measure()
	}
}

// measure updates lengths.
func (r *registry) measure() {
	lengths := map[int]struct{}{}
	for prefix := range r.prefixes {
		lengths[len(prefix)] = struct{}{}
	}
	r.lengths = slices.Collect(maps.Keys(lengths))
}

// deliverToKey delivers c to the watches of its key.
func (r *registry) deliverToKey(c change) {
	for w := range r.keys[c.key] {
		w.inbox.add(c)
	}
}

// deliverToPrefixes delivers c to the watches of prefixes of its key.
func (r *registry) deliverToPrefixes(c change) {
	for _, length := range r.lengths {
		if length <= len(c.key) {
			for w := range r.prefixes[c.key[:length]] {
				w.inbox.add(c)
			}
		}
	}
}

// each calls do with each watch.
func (r *registry) each(do func(w *watch)) {
	for _, all := range []map[string]map[*watch]struct{}{r.keys, r.prefixes} {
		for _, watches := range all {
			for w := range watches {
				do(w)
			}
		}
	}
}

func (r *registry) none() bool { return len(r.keys) == 0 && len(r.prefixes) == 0 }
