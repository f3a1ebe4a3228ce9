package plainlane

import (
	"sync"
	"time"
)

// tick is the age, give or take another tick, at which a request that waits for something becomes worth a system call to
// notice that its caller has gone.
const tick = 20 * time.Millisecond

// watcher cancels requests whose callers have gone.
type watcher struct {
	peers peers

	mu         sync.Mutex
	young, old []*call // have asked during this tick, and during the one before; guarded by mu
	ticking    bool    // guarded by mu
	closed     bool    // guarded by mu
}

// add adds a request that may wait for something.
func (w *watcher) add(c *call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.young = append(w.young, c)
	if !w.ticking && !w.closed {
		w.ticking = true
		time.AfterFunc(tick, w.age)
	}
}

// age watches the callers of the old requests that have not ended, and makes the young ones old.
func (w *watcher) age() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	for _, c := range w.old {
		w.peers.watch(c)
	}
	clear(w.old)
	w.young, w.old = w.old[:0], w.young
	if w.ticking = len(w.old) > 0; w.ticking {
		time.AfterFunc(tick, w.age)
	}
}

// remove removes a request that has ended.
func (w *watcher) remove(c *call) { w.peers.forget(c) }

func (w *watcher) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.peers.close()
}
