// Package admission keeps a service that is asked for more than it can do busy with what it can do, and has the
// rest refused at once.
//
// Calls that are under way are counted, and beyond a bound refused. That is enough where calls wait for something
// else, as a gateway's wait for its service. Where they do the work themselves there is never more than one for each
// processor to count: the others wait unseen, as goroutines that could run, and whoever is to be refused waits
// behind them. So work that is large takes turns: a few have theirs at a time, the others wait in a line that the
// scheduler knows nothing of, and whoever comes meanwhile is looked at in between: before a turn and behind it.
//
// How long the line may be follows from how fast it moves, so that nobody waits in it for much longer than [patience].
// As in CoDel (Nichols and Jacobson, "Controlling Queue Delay", ACM Queue 10/5, 2012) it is the time in a queue that
// says whether there is too much to do, and not its length. But it is those who come that are refused, and not those
// who have waited: a refusal is of use only while it is early.
package admission

import (
	"runtime"
	"sync"
	"sync/atomic"

	"key-value/internal/contract"
)

// ErrOverloaded is the answer to calls over a bound. It is made once: a refusal must cost next to nothing.
var ErrOverloaded error = contract.Overloaded.Errorf("server overloaded; nothing was changed, retry later")

// Config holds the bounds. What is zero is not bounded.
type Config struct {
	// Calls is how many unary calls may be under way.
	Calls int
	// Watches is how many watches may be open.
	Watches int
	// Large is how many large calls may be at work at a time; others wait.
	Large int
}

// Limiter decides who is let in. A nil one lets everybody in.
type Limiter struct {
	cfg     Config
	calls   atomic.Int64
	watches atomic.Int64
	glances chan *glance // as many as can be taken at a time

	mu   sync.Mutex
	busy int  // turns that are taken; guarded by mu
	line line // guarded by mu
}

// New returns a limiter.
func New(cfg Config) *Limiter {
	l := &Limiter{cfg: cfg, glances: make(chan *glance, min(cfg.Large, runtime.GOMAXPROCS(0)))}
	for range cap(l.glances) {
		l.glances <- newGlance()
	}
	return l
}

// Acquire lets a unary call in, or returns why not. Whoever was let in calls Release in the end.
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

// Release is told that a call which Acquire let in is over.
func (l *Limiter) Release() {
	if l != nil && l.cfg.Calls != 0 {
		l.calls.Add(-1)
	}
}

// AcquireWatch lets a watch in, or returns why not. Whoever was let in calls ReleaseWatch in the end.
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

// ReleaseWatch is told that a watch which AcquireWatch let in is over.
func (l *Limiter) ReleaseWatch() {
	if l != nil && l.cfg.Watches != 0 {
		l.watches.Add(-1)
	}
}

// Full reports whether a call of this size would be refused now. It is for callers that can find out before they read a
// message. They need not ask, and a call that it lets pass may still be refused.
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
	return l.busy >= l.cfg.Large && l.line.full()
}
