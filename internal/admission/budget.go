package admission

import (
	"context"
	"sync"
	"sync/atomic"

	"key-value/internal/admission/share"
)

// eventsPart is the part of a budget, as a divisor, that is for the events of watches. A watch may keep what it has for as
// long as its reader stops, and must not keep it from calls.
const eventsPart = 4

// Budget bounds the memory of requests that are being read and of responses that are being written, in bytes, over all
// protocols. Calls use it through their [Account]. A nil Budget has no bound.
type Budget struct {
	calls, events *pool
	rejected      atomic.Int64 // calls for which there was no room
}

// newBudget returns a budget of max bytes.
func newBudget(max int64, sole func() bool) *Budget {
	return &Budget{
		calls:  &pool{Limit: share.New(share.Bytes, max-max/eventsPart, sole)},
		events: &pool{Limit: share.New(share.Events, max/eventsPart, sole)},
	}
}

// Used returns how many bytes are in use. A nil Budget counts none.
func (b *Budget) Used() int64 {
	if b == nil {
		return 0
	}
	return b.calls.Used() + b.events.Used()
}

// Max returns how many bytes may be in use, zero if there is no bound.
func (b *Budget) Max() int64 {
	if b == nil {
		return 0
	}
	return b.calls.Max() + b.events.Max()
}

// pool is a number of bytes that calls share, and for which they can wait.
type pool struct {
	*share.Limit
	waiting atomic.Int64 // how many wait; zero: to release needs no lock

	mu    sync.Mutex
	lines []*line // those in which calls wait; the next to be granted something is first; guarded by mu
}

// line is the calls of one API key that wait, in order of arrival. A key that has used up its share so keeps nobody else
// waiting.
type line struct {
	holder *share.Holder
	calls  []*claim
}

// claim is a call that waits for memory.
type claim struct {
	n       int64
	granted chan struct{} // closed when it is granted
}

// wait waits until n bytes are free for holder, and gives them to it, or returns the error of ctx.
func (p *pool) wait(ctx context.Context, holder *share.Holder, n int64) error {
	if p.Acquire(holder, n) {
		return nil
	}
	c := &claim{n: n, granted: make(chan struct{})}
	p.mu.Lock()
	p.waiting.Add(1)
	l := p.lineLocked(holder)
	l.calls = append(l.calls, c)
	p.grantLocked() // some may have been released before c was waiting
	p.mu.Unlock()
	select {
	case <-c.granted:
		return nil
	case <-ctx.Done():
		return p.cancel(l, c, ctx)
	}
}

// cancel removes c, whose context has ended, unless it was granted in the same instant.
func (p *pool) cancel(l *line, c *claim, ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range l.calls {
		if l.calls[i] == c {
			l.calls = append(l.calls[:i], l.calls[i+1:]...)
			p.waiting.Add(-1)
			p.grantLocked() // what c was waiting for may be enough for the one after it
			return ctx.Err()
		}
	}
	return nil
}

// release takes n bytes back from holder, and gives them to calls that wait.
func (p *pool) release(holder *share.Holder, n int64) {
	p.Release(holder, n)
	if p.waiting.Load() == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.grantLocked()
}

func (p *pool) lineLocked(holder *share.Holder) *line {
	for _, l := range p.lines {
		if l.holder == holder {
			return l
		}
	}
	l := &line{holder: holder}
	p.lines = append(p.lines, l)
	return l
}

// grantLocked grants what it can, one call of each line at a time.
func (p *pool) grantLocked() {
	for refused := 0; refused < len(p.lines); {
		l := p.lines[0]
		p.lines = p.lines[1:]
		switch {
		case len(l.calls) == 0:
			continue // nobody waits in it
		case p.Acquire(l.holder, l.calls[0].n):
			close(l.calls[0].granted)
			p.waiting.Add(-1)
			l.calls = l.calls[1:]
			refused = 0
		default:
			refused++
		}
		p.lines = append(p.lines, l)
	}
}
