package memory

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"key-value/kvservice/store"
)

// watchGroup is what all watches of one target share.
type watchGroup struct {
	watches int // guarded by the engine's lock
	armed   atomic.Pointer[signal]
}

// signal tells the watches that hold it about the first change to their target since the signal was armed.
type signal struct {
	first atomic.Uint64 // the revision of that change; zero: none yet
	ready chan struct{} // closed after first is set
}

// arm returns the signal for the next change to the target. A caller that arms it and then reads the history misses
// nothing: a change is in the history before it fires signals.
func (g *watchGroup) arm() *signal {
	for {
		if s := g.armed.Load(); s != nil {
			return s
		}
		g.armed.CompareAndSwap(nil, &signal{ready: make(chan struct{})})
	}
}

// registry finds the groups that a changed key concerns. The engine's lock guards it.
type registry struct {
	keys     map[string]*watchGroup // :: key → group
	prefixes map[string]*watchGroup // :: prefix → group
	counts   map[int]int            // :: length → number of prefixes of that length, at least one
	lengths  []int                  // the keys of counts, ascending
}

func newRegistry() *registry {
	return &registry{keys: map[string]*watchGroup{}, prefixes: map[string]*watchGroup{}, counts: map[int]int{}}
}

// join adds a watch to the group of t and returns the group.
func (r *registry) join(t store.Target) *watchGroup {
	found := r.of(t)[t.Name]
	if found == nil {
		found = &watchGroup{}
		r.of(t)[t.Name] = found
		r.count(t, 1)
	}
	found.watches++
	return found
}

// leave removes a watch from the group of t.
func (r *registry) leave(t store.Target) {
	found := r.of(t)[t.Name]
	if found.watches--; found.watches == 0 {
		delete(r.of(t), t.Name)
		r.count(t, -1)
	}
}

func (r *registry) of(t store.Target) map[string]*watchGroup {
	if t.Single {
		return r.keys
	}
	return r.prefixes
}

// count adds by to the number of prefixes with t's length.
func (r *registry) count(t store.Target, by int) {
	if t.Single {
		return
	}
	if r.counts[len(t.Name)] += by; r.counts[len(t.Name)] == 0 {
		delete(r.counts, len(t.Name))
	}
	if len(r.counts) != len(r.lengths) {
		r.lengths = slices.AppendSeq(r.lengths[:0], maps.Keys(r.counts))
		slices.Sort(r.lengths)
	}
}

// fire fires the signals of the groups that key concerns, and appends them to fired. It leaves their channels open:
// closing one wakes every watch that waits on it, which is left to [waker].
func (r *registry) fire(fired []*signal, key string, revision uint64) []*signal {
	if len(r.keys) > 0 {
		fired = r.keys[key].fire(fired, revision)
	}
	for _, n := range r.lengths {
		if n > len(key) {
			break
		}
		fired = r.prefixes[key[:n]].fire(fired, revision)
	}
	return fired
}

func (g *watchGroup) fire(fired []*signal, revision uint64) []*signal {
	if g == nil || g.armed.Load() == nil {
		return fired
	}
	s := g.armed.Swap(nil)
	s.first.Store(revision)
	return append(fired, s)
}

// waker wakes the watches whose signals have fired, in its own goroutine, so that the cost of a write does not depend
// on how many watches it concerns.
type waker struct {
	mu     sync.Mutex
	fired  []*signal // guarded by mu
	wakeUp chan struct{}
}

func newWaker() *waker { return &waker{wakeUp: make(chan struct{}, 1)} }

// wake closes the channels of the signals, later. It does not retain fired.
func (w *waker) wake(fired []*signal) {
	w.mu.Lock()
	w.fired = append(w.fired, fired...)
	w.mu.Unlock()
	select {
	case w.wakeUp <- struct{}{}:
	default:
	}
}

// run closes channels until done is closed.
func (w *waker) run(done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-w.wakeUp:
		}
		w.mu.Lock()
		fired := w.fired
		w.fired = nil
		w.mu.Unlock()
		for _, s := range fired {
			close(s.ready)
		}
	}
}
