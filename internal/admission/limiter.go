// Package admission sheds load: an overloaded service keeps working at full rate and rejects the excess early.
//
// [NewChecks] lists what a server checks before it reads a request. [Limiter] bounds the calls that run at a time.
//
// Counting calls is enough where they wait for something else, as those of a gateway wait for its service. Where calls
// do the work themselves, no more than one per processor ever runs and can be counted: the others wait as runnable
// goroutines, and so do the calls to reject. So large calls go through a semaphore with a queue that the scheduler does
// not know of. Calls that arrive meanwhile are looked at, and rejected if need be, before the next large call begins.
//
// The length of the queue follows from how fast it moves, so that no call waits in it for much longer than [maxWait]. As
// in CoDel (Nichols and Jacobson, "Controlling Queue Delay", ACM Queue 10/5, 2012), the time in the queue tells whether
// there is too much work, not its length. Unlike CoDel, new calls are rejected rather than those that have waited: a
// rejection is useful only while it is early.
package admission

import (
	"runtime"
	"sync"
	"sync/atomic"

	"key-value/internal/contract"
)

// ErrOverloaded is the error of calls over a bound. It is made once, so that a rejection costs next to nothing.
var ErrOverloaded error = contract.Overloaded.Errorf("server overloaded; nothing was changed, retry later")

// Config holds the bounds of a [Limiter]. Zero means no bound.
type Config struct {
	// Calls is the number of unary calls that may run at a time.
	Calls int
	// Watches is the number of watches that may be open.
	Watches int
	// Large is the number of large calls that may run at a time. Further ones wait in a queue.
	Large int
}

// Limiter bounds the calls that run at a time. A nil Limiter has no bounds.
type Limiter struct {
	cfg     Config
	calls   atomic.Int64
	watches atomic.Int64
	pollers chan *poller // those not in use

	mu      sync.Mutex
	running int   // large calls; guarded by mu
	queue   queue // large calls that wait; guarded by mu
}

// New returns a limiter.
func New(cfg Config) *Limiter {
	l := &Limiter{cfg: cfg, pollers: make(chan *poller, min(cfg.Large, runtime.GOMAXPROCS(0)))}
	for range cap(l.pollers) {
		l.pollers <- newPoller()
	}
	return l
}

// Acquire admits a unary call, or returns ErrOverloaded. The caller must call Release when an admitted call is over.
func (l *Limiter) Acquire() error {
	if l == nil || l.cfg.Calls == 0 {
		return nil
	}
	if l.calls.Add(1) > int64(l.cfg.Calls) {
		l.calls.Add(-1)
		return ErrOverloaded
	}
	return nil
}

// Release ends a call that Acquire admitted.
func (l *Limiter) Release() {
	if l != nil && l.cfg.Calls != 0 {
		l.calls.Add(-1)
	}
}

// AcquireWatch admits a watch, or returns an error with reason OVERLOADED. The caller must call ReleaseWatch when an
// admitted watch is over.
func (l *Limiter) AcquireWatch() error {
	if l == nil || l.cfg.Watches == 0 {
		return nil
	}
	if l.watches.Add(1) > int64(l.cfg.Watches) {
		l.watches.Add(-1)
		return contract.Overloaded.Errorf("too many open watches (limit %d)", l.cfg.Watches)
	}
	return nil
}

// ReleaseWatch ends a watch that AcquireWatch admitted.
func (l *Limiter) ReleaseWatch() {
	if l != nil && l.cfg.Watches != 0 {
		l.watches.Add(-1)
	}
}

// Full reports whether a call of this size would be rejected now. Callers may use it to reject a call before they read
// its message. A call for which Full returns false may still be rejected.
func (l *Limiter) Full(size contract.Size) bool {
	if l == nil || size != contract.OneEntry && size != contract.ManyEntries {
		return false
	}
	if l.cfg.Calls != 0 && l.calls.Load() >= int64(l.cfg.Calls) {
		return true
	}
	if size == contract.OneEntry || l.cfg.Large == 0 {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.running >= l.cfg.Large && l.queue.full()
}
