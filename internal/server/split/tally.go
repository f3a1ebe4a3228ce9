package split

import "sync"

// tally counts what is under way. Unlike a [sync.WaitGroup] it may go up from zero while somebody waits.
type tally struct {
	mu   sync.Mutex
	n    int           // guarded by mu
	zero chan struct{} // closed when n is zero; nil: nobody waits; guarded by mu
}

func (t *tally) up() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n++
}

func (t *tally) down() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n--; t.n == 0 && t.zero != nil {
		close(t.zero)
		t.zero = nil
	}
}

// wait returns a channel that is closed when nothing is under way, now or at some later time.
func (t *tally) wait() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	zero := t.zero
	if zero == nil {
		zero = make(chan struct{})
		if t.n == 0 {
			close(zero)
			return zero
		}
		t.zero = zero
	}
	return zero
}
