package admission

import (
	"container/list"
	"time"
)

// smoothing is how many turns the pace of a line is about the mean of.
const smoothing = 16

// line is who waits, in order of arrival.
type line struct {
	waiters list.List     // of *waiter
	pace    time.Duration // from one turn to the next; 0: not known
	last    time.Time     // when the latest turn came; zero: nobody was left waiting then
}

type waiter struct {
	called  chan struct{} // closed when it is this one's turn
	element *list.Element // nil once it is
}

// full reports whether one more would have to wait for too long.
func (l *line) full() bool {
	room := longest
	if l.pace > 0 {
		room = min(max(int(patience/l.pace), shortest), longest)
	}
	return l.waiters.Len() >= room
}

func (l *line) join() *waiter {
	w := &waiter{called: make(chan struct{})}
	w.element = l.waiters.PushBack(w)
	return w
}

// leave removes w, and reports whether it was still waiting.
func (l *line) leave(w *waiter) bool {
	if w.element == nil {
		return false
	}
	l.waiters.Remove(w.element)
	return true
}

// call tells the first of the line that it is its turn, and reports whether there was one.
func (l *line) call(now time.Time) bool {
	first := l.waiters.Front()
	if first == nil {
		return false
	}
	w := l.waiters.Remove(first).(*waiter)
	w.element = nil
	close(w.called)
	l.moved(now)
	return true
}

// moved measures how fast the line moves. It does only while somebody waits.
func (l *line) moved(now time.Time) {
	if !l.last.IsZero() {
		l.pace += (now.Sub(l.last) - l.pace) / smoothing
	}
	l.last = now
	if l.waiters.Len() == 0 {
		l.last = time.Time{}
	}
}
