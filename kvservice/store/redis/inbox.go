package redis

import (
	"maps"
	"slices"
	"sync"
)

// What may wait for a reader who is slow. Beyond it the reader gets the changes from the shards, which have them
// longer.
const (
	inboxChanges = 1000
	inboxBytes   = 1 << 20
)

// inbox is changes that wait for one watch.
type inbox struct {
	ready chan struct{} // has something in it after a change

	mu      sync.Mutex
	changes []change // guarded by mu
	bytes   int      // of changes; guarded by mu
	missed  bool     // whether changes were dropped since the watch joined; guarded by mu
	err     error    // why no more changes come; guarded by mu
}

func (b *inbox) add(c change) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.missed || b.err != nil {
		return
	}
	if len(b.changes) == inboxChanges || b.bytes > inboxBytes {
		b.missed = true
	} else {
		b.changes, b.bytes = append(b.changes, c), b.bytes+len(c.packed)
	}
	b.signal()
}

// fail has no more changes come.
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

// take returns the oldest change, or false if there is none. When there is none any more, it says whether any were
// dropped, or why there will be none.
func (b *inbox) take() (c change, ok, missed bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.changes) == 0 {
		b.changes = nil
		return change{}, false, b.missed, b.err
	}
	c, b.changes = b.changes[0], b.changes[1:]
	b.bytes -= len(c.packed)
	return c, true, false, nil
}

// clear makes the inbox as new.
func (b *inbox) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.changes, b.bytes, b.missed = nil, 0, false
}

func (b *inbox) empty() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.changes) == 0 && !b.missed && b.err == nil
}

// topics finds the watches that a change is for.
type topics struct {
	keys     map[string]map[*watch]struct{} // :: key → watches of it
	prefixes map[string]map[*watch]struct{} // :: prefix → watches of it
	lengths  []int                          // of prefixes, each once
}

func newTopics() topics {
	return topics{keys: map[string]map[*watch]struct{}{}, prefixes: map[string]map[*watch]struct{}{}}
}

// of returns the map that has t's watches, and their name in it.
func (ts *topics) of(t target) map[string]map[*watch]struct{} {
	if t.one {
		return ts.keys
	}
	return ts.prefixes
}

func (ts *topics) add(w *watch) {
	all := ts.of(w.target)
	if all[w.target.name] == nil {
		all[w.target.name] = map[*watch]struct{}{}
		ts.measure()
	}
	all[w.target.name][w] = struct{}{}
}

func (ts *topics) remove(w *watch) {
	all := ts.of(w.target)
	delete(all[w.target.name], w)
	if len(all[w.target.name]) == 0 {
		delete(all, w.target.name)
		ts.measure()
	}
}

// measure finds the lengths that prefixes have.
func (ts *topics) measure() {
	lengths := map[int]struct{}{}
	for prefix := range ts.prefixes {
		lengths[len(prefix)] = struct{}{}
	}
	ts.lengths = slices.Collect(maps.Keys(lengths))
}

// tellKey gives c to the watches of its key.
func (ts *topics) tellKey(c change) {
	for w := range ts.keys[c.key] {
		w.inbox.add(c)
	}
}

// tellPrefixes gives c to the watches of its key's prefixes.
func (ts *topics) tellPrefixes(c change) {
	for _, length := range ts.lengths {
		if length <= len(c.key) {
			for w := range ts.prefixes[c.key[:length]] {
				w.inbox.add(c)
			}
		}
	}
}

// each returns the watches that watch shard number.
func (ts *topics) each(number int) []*watch {
	var found []*watch
	for _, all := range []map[string]map[*watch]struct{}{ts.keys, ts.prefixes} {
		for _, watches := range all {
			for w := range watches {
				if slices.Contains(w.target.shards, number) {
					found = append(found, w)
				}
			}
		}
	}
	return found
}

func (ts *topics) none() bool { return len(ts.keys) == 0 && len(ts.prefixes) == 0 }
