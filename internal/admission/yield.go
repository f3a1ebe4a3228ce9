package admission

import "runtime"

// Yield lets calls that arrived meanwhile run, if large calls wait in the queue. A large call that has more than a
// millisecond of work left calls it now and then.
func (l *Limiter) Yield() {
	if l != nil && l.queued() {
		l.poll()
	}
}

func (l *Limiter) queued() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queue.waiters.Len() != 0
}

// poll lets calls that arrived meanwhile run.
func (l *Limiter) poll() {
	select {
	case p := <-l.pollers:
		p.Poll()
		l.pollers <- p
	default: // enough other goroutines poll
		runtime.Gosched()
	}
}
