// Package admission sheds load: an overloaded service keeps working at full rate and rejects the excess early.
//
// [NewChecks] lists what a server checks before it reads a request. [Limiter] bounds the calls that run at a time, and
// what each API key may have of them. [Budget] bounds the memory of requests and responses on their way.
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
	"context"
	"sync"
	"sync/atomic"

	"key-value/internal/admission/share"
	"key-value/internal/auth"
	"key-value/internal/contract"
	"key-value/internal/server/netpoll"
)

// ErrOverloaded is the error of calls over a bound. It is made once, so that a rejection costs next to nothing.
var ErrOverloaded error = contract.Overloaded.Errorf("server overloaded; nothing was changed, retry later")

// Config holds the bounds of a [Limiter]. Zero means no bound.
//
// Package share says how much of each bound one API key may use.
type Config struct {
	// Calls is the number of unary calls that may run at a time.
	Calls int
	// Watches is the number of watches that may be open.
	Watches int
	// Large is the number of large calls that may run at a time. Further ones wait in a queue.
	Large int
	// Bytes is the memory for requests that are being read and responses that are being written, in bytes.
	Bytes int64
	// Sole reports whether only one API key exists, which may then use everything. Nil: there are several.
	Sole func() bool
}

// Limiter bounds the calls that run at a time. A nil Limiter has no bounds.
type Limiter struct {
	cfg     Config
	calls   *share.Limit    // nil: no bound
	watches *share.Limit    // nil: no bound
	budget  *Budget         // nil: no bound
	poller  *netpoll.Poller // nil: no bound on large calls

	rejected struct{ calls, queue, watches atomic.Int64 } // how many each bound has rejected

	mu      sync.Mutex
	running int   // large calls; guarded by mu
	queue   queue // large calls that wait; guarded by mu
}

// New returns a limiter.
func New(cfg Config) *Limiter {
	l := &Limiter{cfg: cfg}
	if cfg.Large != 0 {
		l.poller = netpoll.New()
	}
	if cfg.Calls != 0 {
		l.calls = share.New(share.Calls, int64(cfg.Calls), cfg.Sole)
	}
	if cfg.Watches != 0 {
		l.watches = share.New(share.Watches, int64(cfg.Watches), cfg.Sole)
	}
	if cfg.Bytes != 0 {
		l.budget = newBudget(cfg.Bytes, cfg.Sole)
	}
	return l
}

// Budget returns the bound on memory, nil if there is none.
func (l *Limiter) Budget() *Budget {
	if l == nil {
		return nil
	}
	return l.budget
}

// sole reports whether only one API key exists.
func (l *Limiter) sole() bool { return l.cfg.Sole != nil && l.cfg.Sole() }

// holderOf returns what the API key of the caller in ctx holds.
func holderOf(ctx context.Context) *share.Holder { return auth.FromContext(ctx).Holder() }

// Acquire admits a unary call of the caller in ctx, or returns ErrOverloaded. The caller must call Release with the same
// context when an admitted call is over.
func (l *Limiter) Acquire(ctx context.Context) error {
	if l != nil && l.calls != nil && !l.calls.Acquire(holderOf(ctx), 1) {
		l.rejected.calls.Add(1)
		return ErrOverloaded
	}
	return nil
}

// Release ends a call that Acquire admitted with ctx.
func (l *Limiter) Release(ctx context.Context) {
	if l != nil && l.calls != nil {
		l.calls.Release(holderOf(ctx), 1)
	}
}

// AcquireWatch admits a watch of the caller in ctx, or returns an error with reason OVERLOADED. The caller must call
// ReleaseWatch with the same context when an admitted watch is over.
func (l *Limiter) AcquireWatch(ctx context.Context) error {
	if l == nil || l.watches == nil {
		return nil
	}
	holder := holderOf(ctx)
	if l.watches.Acquire(holder, 1) {
		return nil
	}
	l.rejected.watches.Add(1)
	if l.watches.Used() < l.watches.Max() {
		return contract.Overloaded.Errorf("too many open watches of one API key: it has %d of the %d that all keys share",
			holder.Held(share.Watches), l.watches.Max())
	}
	return contract.Overloaded.Errorf("too many open watches (limit %d)", l.watches.Max())
}

// ReleaseWatch ends a watch that AcquireWatch admitted with ctx.
func (l *Limiter) ReleaseWatch(ctx context.Context) {
	if l != nil && l.watches != nil {
		l.watches.Release(holderOf(ctx), 1)
	}
}

// RejectEarly reports whether to reject a call of this size by caller before its message is read, and counts it as rejected if
// so. A call that it does not reject may still be rejected later.
func (l *Limiter) RejectEarly(caller *auth.Principal, size contract.Size) bool {
	if l == nil || size != contract.OneEntry && size != contract.ManyEntries {
		return false
	}
	if l.calls != nil && l.calls.Full(caller.Holder(), 1) {
		l.rejected.calls.Add(1)
		return true
	}
	if size == contract.OneEntry || l.cfg.Large == 0 {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running < l.cfg.Large || !l.queueFullLocked(caller.Holder()) {
		return false
	}
	l.rejected.queue.Add(1)
	return true
}

// Usage is what is used of a bound.
type Usage struct {
	Bound    string // calls, queue, watches or memory
	Used     int64
	Max      int64 // zero: no bound
	Rejected int64 // calls and watches that were rejected since the start
}

// Usage returns what is used of each bound. That of the queue is how many large calls wait, and how many may. Memory is in
// bytes.
func (l *Limiter) Usage() []Usage {
	l.mu.Lock()
	waiting := int64(l.queue.waiters.Len())
	queue := Usage{"queue", waiting, waiting + int64(l.queue.left()), l.rejected.queue.Load()}
	l.mu.Unlock()
	if l.cfg.Large == 0 {
		queue.Max = 0
	}
	memory := Usage{Bound: "memory", Used: l.budget.Used(), Max: l.budget.Max()}
	if l.budget != nil {
		memory.Rejected = l.budget.rejected.Load()
	}
	return []Usage{usage("calls", l.calls, &l.rejected.calls), queue, usage("watches", l.watches, &l.rejected.watches), memory}
}

func usage(bound string, l *share.Limit, rejected *atomic.Int64) Usage {
	if l == nil {
		return Usage{Bound: bound}
	}
	return Usage{bound, l.Used(), l.Max(), rejected.Load()}
}
