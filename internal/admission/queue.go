package admission

import (
	"container/list"
	"context"
	"runtime"
	"time"
)

const (
	// patience is how long a large call should wait for its turn at most.
	patience = 100 * time.Millisecond
	// shortest and longest bound how many may wait, however fast the line moves.
	shortest = 16
	longest  = 1024
)

// AcquireLarge lets a unary call in that is much work, when its turn has come, or returns why not. Whoever was let in
// calls ReleaseLarge with the same context in the end.
func (l *Limiter) AcquireLarge(ctx context.Context) error {
	if l.held(ctx) {
		return nil
	}
	if err := l.Acquire(); err != nil {
		return err
	}
	if l == nil || l.cfg.Large == 0 {
		return nil
	}
	waited, err := l.turn(ctx)
	if err != nil {
		l.Release()
		return err
	}
	// Those who came in the meantime are looked at first: most take no time, and who must be refused is refused now.
	if waited {
		l.glance()
	} else {
		runtime.Gosched() // who could run has not been looked at either, and is not yet in the line
	}
	if err := ctx.Err(); err != nil { // a caller who left did so while we waited
		l.ReleaseLarge(ctx)
		return err
	}
	return nil
}

// ReleaseLarge is told that a call which AcquireLarge let in is over.
func (l *Limiter) ReleaseLarge(ctx context.Context) {
	if l.held(ctx) {
		return
	}
	l.Release()
	if l == nil || l.cfg.Large == 0 {
		return
	}
	l.Yield() // what is left to do, such as to write the answer, can be as much work again
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nextLocked()
}

// heldKey is the key of the limiter at which the caller of a context has a turn.
type heldKey struct{}

// WithAcquired returns ctx for calls that are part of the turn of whoever AcquireLarge let in: they need none of their own.
func (l *Limiter) WithAcquired(ctx context.Context) context.Context {
	return context.WithValue(ctx, heldKey{}, l)
}

func (l *Limiter) held(ctx context.Context) bool { return ctx.Value(heldKey{}) == l }

// Yield has whoever came meanwhile looked at, if anybody waits for a turn. Who is about to do more than a millisecond of
// work calls it in between.
func (l *Limiter) Yield() {
	if l != nil && l.someWait() {
		l.glance()
	}
}

// glance has whoever came meanwhile looked at.
func (l *Limiter) glance() {
	select {
	case g := <-l.glances:
		g.take()
		l.glances <- g
	default: // others look already
		runtime.Gosched()
	}
}

func (l *Limiter) someWait() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.line.waiters.Len() != 0
}

// turn waits until ctx ends or the caller has its turn, and reports whether it had to wait.
func (l *Limiter) turn(ctx context.Context) (waited bool, err error) {
	l.mu.Lock()
	if l.busy < l.cfg.Large {
		l.busy++
		l.mu.Unlock()
		return false, nil
	}
	if l.line.full() {
		l.mu.Unlock()
		return false, ErrOverloaded
	}
	w := l.line.join()
	l.mu.Unlock()
	select {
	case <-w.called:
		return true, nil
	case <-ctx.Done():
		l.giveUp(w)
		return true, ctx.Err()
	}
}

// giveUp takes w out of the line. If its turn has come just now, somebody else gets it.
func (l *Limiter) giveUp(w *waiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.line.leave(w) {
		l.nextLocked()
	}
}

// nextLocked passes a turn on.
func (l *Limiter) nextLocked() {
	if !l.line.call(time.Now()) {
		l.busy--
	}
}

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
