package admission

import (
	"container/list"
	"context"
	"runtime"
	"time"

	"key-value/internal/admission/share"
)

const (
	// maxWait is how long a large call should wait in the queue.
	maxWait = 100 * time.Millisecond
	// minLength and maxLength bound the limit on the length of the queue, however fast it moves.
	minLength = 16
	maxLength = 1024
	// smoothing is the number of departures that the pace of the queue averages over.
	smoothing = 16
)

// AcquireLarge admits a large unary call, waiting in the queue if need be. It returns ErrOverloaded if the queue is full,
// or the error of ctx if that ends first. The caller must call ReleaseLarge with the same context when an admitted call
// is over.
func (l *Limiter) AcquireLarge(ctx context.Context) error {
	if l.acquired(ctx) {
		return nil
	}
	if err := l.Acquire(ctx); err != nil {
		return err
	}
	if l == nil || l.cfg.Large == 0 {
		return nil
	}
	waited, err := l.wait(ctx)
	if err != nil {
		l.Release(ctx)
		return err
	}
	// Let the calls that arrived meanwhile run first: most take no time, and those to reject are rejected now.
	if waited {
		l.poller.Poll()
	} else {
		runtime.Gosched() // calls that can run have not reached the queue yet
	}
	if err := ctx.Err(); err != nil { // the caller went away while we waited
		l.ReleaseLarge(ctx)
		return err
	}
	return nil
}

// ReleaseLarge ends a call that AcquireLarge admitted with ctx.
func (l *Limiter) ReleaseLarge(ctx context.Context) {
	if l.acquired(ctx) {
		return
	}
	l.Release(ctx)
	if l == nil || l.cfg.Large == 0 {
		return
	}
	if l.queued() {
		l.poller.Poll() // what the caller does next, such as write the answer, can be as much work again
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nextLocked()
}

func (l *Limiter) queued() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queue.waiters.Len() != 0
}

// acquiredKey is the key of the limiter that has admitted the caller of a context.
type acquiredKey struct{}

// WithAcquired returns ctx for calls that are part of a call which AcquireLarge admitted. They are not counted again.
func (l *Limiter) WithAcquired(ctx context.Context) context.Context {
	return context.WithValue(ctx, acquiredKey{}, l)
}

func (l *Limiter) acquired(ctx context.Context) bool { return ctx.Value(acquiredKey{}) == l }

// wait returns when the caller may run, and reports whether it had to wait.
func (l *Limiter) wait(ctx context.Context) (waited bool, err error) {
	l.mu.Lock()
	if l.running < l.cfg.Large {
		l.running++
		l.mu.Unlock()
		return false, nil
	}
	holder := holderOf(ctx)
	if l.queueFullLocked(holder) {
		l.mu.Unlock()
		l.rejected.queue.Add(1)
		return false, ErrOverloaded
	}
	w := l.queue.push(holder)
	l.mu.Unlock()
	select {
	case <-w.ready:
		return true, nil
	case <-ctx.Done():
		l.cancel(w)
		return true, ctx.Err()
	}
}

// queueFullLocked reports whether a further call of holder must not wait.
func (l *Limiter) queueFullLocked(holder *share.Holder) bool {
	left := l.queue.left()
	return left <= 0 || share.Exceeds(holder.Held(share.Queue)+1, 1, int64(left-1)) && !l.sole()
}

// cancel removes w from the queue. If w was told to run in the same instant, the next in the queue runs instead.
func (l *Limiter) cancel(w *waiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.queue.remove(w) {
		l.nextLocked()
	}
}

// Pause lets another call run in place of one that AcquireLarge admitted and that needs no processor for a while, until
// Resume. It does nothing without a limit.
func (l *Limiter) Pause() {
	if l == nil || l.cfg.Large == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nextLocked()
}

// Resume ends a Pause. It does not wait, because little is left of a call by then. No further call begins until no more run than
// may.
func (l *Limiter) Resume() {
	if l == nil || l.cfg.Large == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running++
}

// nextLocked lets the next call of the queue run in place of one that ended, unless more run than may.
func (l *Limiter) nextLocked() {
	if l.running > l.cfg.Large || !l.queue.pop(time.Now()) {
		l.running--
	}
}

// queue holds the large calls that wait, in order of arrival.
type queue struct {
	waiters list.List     // of *waiter
	pace    time.Duration // mean time between departures; 0: not known yet
	last    time.Time     // of the latest departure; zero if it left the queue empty
}

type waiter struct {
	ready   chan struct{} // closed when the call may run
	holder  *share.Holder // of its API key
	element *list.Element // nil once it is
}

// left returns how many further calls may wait without waiting for too long.
func (q *queue) left() int {
	limit := maxLength
	if q.pace > 0 {
		limit = min(max(int(maxWait/q.pace), minLength), maxLength)
	}
	return limit - q.waiters.Len()
}

func (q *queue) push(holder *share.Holder) *waiter {
	w := &waiter{ready: make(chan struct{}), holder: holder}
	w.element = q.waiters.PushBack(w)
	holder.Add(share.Queue, 1)
	return w
}

// remove removes w and reports whether it was still in the queue.
func (q *queue) remove(w *waiter) bool {
	if w.element == nil {
		return false
	}
	q.waiters.Remove(w.element)
	w.holder.Add(share.Queue, -1)
	return true
}

// pop tells the first call that it may run, and reports whether there was one.
func (q *queue) pop(now time.Time) bool {
	first := q.waiters.Front()
	if first == nil {
		return false
	}
	w := q.waiters.Remove(first).(*waiter)
	w.element = nil
	w.holder.Add(share.Queue, -1)
	close(w.ready)
	q.departed(now)
	return true
}

// departed updates the pace, which is measured only while calls wait.
func (q *queue) departed(now time.Time) {
	if !q.last.IsZero() {
		q.pace += (now.Sub(q.last) - q.pace) / smoothing
	}
	q.last = now
	if q.waiters.Len() == 0 {
		q.last = time.Time{}
	}
}
