package inbox

import (
	"maps"
	"slices"

	"key-value/kvservice/store"
)

// Registry finds the watches that a change concerns. It has no lock of its own. Create one with [NewRegistry].
type Registry[W comparable] struct {
	keys     map[string]map[W]struct{} // :: key → its watches
	prefixes map[string]map[W]struct{} // :: prefix → its watches
	lengths  []int                     // of the prefixes, without duplicates
}

// NewRegistry returns an empty registry.
func NewRegistry[W comparable]() Registry[W] {
	return Registry[W]{keys: map[string]map[W]struct{}{}, prefixes: map[string]map[W]struct{}{}}
}

// of returns the map that has the watches of t.
func (r *Registry[W]) of(t store.Target) map[string]map[W]struct{} {
	if t.Single {
		return r.keys
	}
	return r.prefixes
}

// Add adds a watch of t.
func (r *Registry[W]) Add(t store.Target, w W) {
	all := r.of(t)
	if all[t.Name] == nil {
		all[t.Name] = map[W]struct{}{}
		r.measure()
	}
	all[t.Name][w] = struct{}{}
}

// Remove removes a watch of t, if it is there.
func (r *Registry[W]) Remove(t store.Target, w W) {
	all := r.of(t)
	delete(all[t.Name], w)
	if len(all[t.Name]) == 0 {
		delete(all, t.Name)
		r.measure()
	}
}

// measure updates lengths.
func (r *Registry[W]) measure() {
	lengths := map[int]struct{}{}
	for prefix := range r.prefixes {
		lengths[len(prefix)] = struct{}{}
	}
	r.lengths = slices.Collect(maps.Keys(lengths))
}

// OfKey calls do with each watch of key itself.
func (r *Registry[W]) OfKey(key string, do func(w W)) {
	for w := range r.keys[key] {
		do(w)
	}
}

// OfPrefixes calls do with each watch of a prefix of key.
func (r *Registry[W]) OfPrefixes(key string, do func(w W)) {
	for _, length := range r.lengths {
		if length <= len(key) {
			for w := range r.prefixes[key[:length]] {
				do(w)
			}
		}
	}
}

// Each calls do with each watch.
func (r *Registry[W]) Each(do func(w W)) {
	for _, all := range []map[string]map[W]struct{}{r.keys, r.prefixes} {
		for _, watches := range all {
			for w := range watches {
				do(w)
			}
		}
	}
}

// None reports whether there are no watches.
func (r *Registry[W]) None() bool { return len(r.keys) == 0 && len(r.prefixes) == 0 }
