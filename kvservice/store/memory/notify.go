package memory

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// watchGroup is what any number of watches have in common: their key, or their prefix.
type watchGroup struct {
	watches int // of the engine's lock
	armed   atomic.Pointer[signal]
}

// signal tells the watches that hold it of the first change to their watchGroup after they armed it.
type signal struct {
	first atomic.Uint64 // that change's revision; zero: none yet
	ready chan struct{} // closed after first is set
}

// arm returns the signal that the next change to the watchGroup sets off. Who arms and then looks at the
// history misses nothing: a change is in the history before it looks for a signal.
func (t *watchGroup) arm() *signal {
	for {
		if s := t.armed.Load(); s != nil {
			return s
		}
		t.armed.CompareAndSwap(nil, &signal{ready: make(chan struct{})})
	}
}

// registry finds the registry that a changed key belongs to. The engine's lock guards it.
type registry struct {
	keys     map[string]*watchGroup // :: key → watchGroup
	prefixes map[string]*watchGroup // :: prefix → watchGroup
	counts   map[int]int            // :: length → how many prefixes have it, at least one
	lengths  []int                  // the keys of counts, ascending
}

func newRegistry() *registry {
	return &registry{keys: map[string]*watchGroup{}, prefixes: map[string]*watchGroup{}, counts: map[int]int{}}
}

// join returns the watchGroup of t, with one more watch.
func (ts *registry) join(t target) *watchGroup {
	found := ts.of(t)[t.name]
	if found == nil {
		found = &watchGroup{}
		ts.of(t)[t.name] = found
		ts.count(t, 1)
	}
	found.watches++
	return found
}

// leave takes one watch from the watchGroup of t.
func (ts *registry) leave(t target) {
	found := ts.of(t)[t.name]
	if found.watches--; found.watches == 0 {
		delete(ts.of(t), t.name)
		ts.count(t, -1)
	}
}

func (ts *registry) of(t target) map[string]*watchGroup {
	if t.one {
		return ts.keys
	}
	return ts.prefixes
}

// count says that there is one prefix more or less of t's length.
func (ts *registry) count(t target, by int) {
	if t.one {
		return
	}
	if ts.counts[len(t.name)] += by; ts.counts[len(t.name)] == 0 {
		delete(ts.counts, len(t.name))
	}
	if len(ts.counts) != len(ts.lengths) {
		ts.lengths = slices.AppendSeq(ts.lengths[:0], maps.Keys(ts.counts))
		slices.Sort(ts.lengths)
	}
}

// fire sets off the signals that wait for a change to key, and returns fired with them appended. Their
// channels are still open: closing one wakes every watch that waits on it, which writers leave to [waker].
func (ts *registry) fire(fired []*signal, key string, revision uint64) []*signal {
	if len(ts.keys) > 0 {
		fired = ts.keys[key].fire(fired, revision)
	}
	for _, n := range ts.lengths {
		if n > len(key) {
			break
		}
		fired = ts.prefixes[key[:n]].fire(fired, revision)
	}
	return fired
}

func (t *watchGroup) fire(fired []*signal, revision uint64) []*signal {
	if t == nil || t.armed.Load() == nil {
		return fired
	}
	s := t.armed.Swap(nil)
	s.first.Store(revision)
	return append(fired, s)
}

// waker wakes the watches whose signals were set off, in a goroutine of its own, so that a write costs the
// same however many watches it concerns.
type waker struct {
	mu     sync.Mutex
	fired  []*signal // guarded by mu
	wakeUp chan struct{}
}

func newWaker() *waker { return &waker{wakeUp: make(chan struct{}, 1)} }

// wake has the signals' channels closed. It does not keep fired.
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
