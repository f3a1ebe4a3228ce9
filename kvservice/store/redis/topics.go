package redis

import (
	"maps"
	"slices"
)

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
