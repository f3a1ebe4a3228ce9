package lane

import (
	"container/list"
	"runtime"
	"sync"
	"time"

	"key-value/internal/server/netpoll"
)

// Limiter bounds, for all HTTP/2 connections of a port together, the requests of callers that have not authenticated.
// Every request costs a goroutine and buffers before its handler can look at its key, and a connection may bring a
// hundred at once, so their number cannot be left to the callers.
//
// A request is under way from its headers until its response begins. At most Bounds.Strangers are; the connections that
// bring more are not read meanwhile, and take turns. So a flood waits in the buffers of its own sockets, and a request
// beside it waits for about one request of each other connection. Before each turn the scheduler looks for what has arrived
// from others, see package netpoll: calls of known callers so run before the flood goes on. A request that is under way for
// longer than Bounds.StrangerWait, such as one whose body does not arrive, gives up its place but still counts as open.
//
// A request is open until its stream ends, which a peer that does not read its response can delay. At most
// Bounds.StrangersOpen are: beyond that, a connection that brings one more is closed if it has more open than its
// share.
type Limiter struct {
	bounds Bounds

	mu       sync.Mutex
	running  list.List       // of *place, the oldest first; guarded by mu
	waiting  list.List       // of *turn, the oldest first; guarded by mu
	open     int             // streams; guarded by mu
	holders  int             // connections that have open streams; guarded by mu
	granting bool            // whether a goroutine gives free places to those that wait; guarded by mu
	poller   *netpoll.Poller // used by that goroutine
}

// place is that of a request that is under way.
type place struct {
	since   time.Time
	element *list.Element // nil once it was given up; guarded by Limiter.mu
}

// turn is that of a connection which waits for a place.
type turn struct {
	ready chan struct{} // closed when place is set
	place *place
}

// NewLimiter returns a limiter. Every field of bounds must be set.
func NewLimiter(bounds Bounds) *Limiter { return &Limiter{bounds: bounds, poller: netpoll.New()} }

// acquire returns a place, or nil if there is none, or others wait for one.
func (l *Limiter) acquire() *place {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting.Len() > 0 || l.running.Len() >= l.bounds.Strangers {
		return nil
	}
	return l.placeLocked()
}

// force returns a place even if there is none.
func (l *Limiter) force() *place {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.placeLocked()
}

func (l *Limiter) placeLocked() *place {
	p := &place{since: time.Now()}
	p.element = l.running.PushBack(p)
	return p
}

// wait waits for a place, for at most about StrangerWait, or until done is closed; it then returns nil.
func (l *Limiter) wait(done <-chan struct{}) *place {
	t := &turn{ready: make(chan struct{})}
	l.mu.Lock()
	element := l.waiting.PushBack(t)
	l.grantLocked()
	l.mu.Unlock()
	late := time.NewTicker(l.bounds.StrangerWait)
	defer late.Stop()
	for {
		select {
		case <-t.ready:
			return t.place
		case <-late.C:
			l.expire()
		case <-done:
			l.abandon(element, t)
			return nil
		}
	}
}

// expire takes the places of requests that have been under way for too long.
func (l *Limiter) expire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for first := l.running.Front(); first != nil; first = l.running.Front() {
		p := first.Value.(*place)
		if time.Since(p.since) < l.bounds.StrangerWait {
			break
		}
		l.releaseLocked(p)
	}
	l.grantLocked()
}

func (l *Limiter) abandon(element *list.Element, t *turn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.place == nil {
		l.waiting.Remove(element)
		return
	}
	l.releaseLocked(t.place)
	l.grantLocked()
}

// release gives up a place. It may be nil, or given up already.
func (l *Limiter) release(p *place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.releaseLocked(p)
	l.grantLocked()
}

func (l *Limiter) releaseLocked(p *place) {
	if p != nil && p.element != nil {
		l.running.Remove(p.element)
		p.element = nil
	}
}

// grantLocked has another goroutine give free places to those that wait.
func (l *Limiter) grantLocked() {
	if !l.granting && l.grantableLocked() {
		l.granting = true
		go l.grant()
	}
}

func (l *Limiter) grantableLocked() bool {
	return l.running.Len() < l.bounds.Strangers && l.waiting.Len() > 0
}

// grant gives free places to those that wait, a few at a time. Before each time it lets run what has arrived meanwhile.
func (l *Limiter) grant() {
	for more := true; more; {
		l.poller.Poll()
		more = l.grantSome()
	}
}

// grantSome gives a place for each processor to those that wait. It reports whether there are more of both.
func (l *Limiter) grantSome() (more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n := 0; n < runtime.GOMAXPROCS(0) && l.grantableLocked(); n++ {
		t := l.waiting.Remove(l.waiting.Front()).(*turn)
		t.place = l.placeLocked()
		close(t.ready)
	}
	l.granting = l.grantableLocked()
	return l.granting
}

// opened counts a stream of a connection that now has n open. It reports whether these are too many.
func (l *Limiter) opened(n int) (tooMany bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open++
	if n == 1 {
		l.holders++
	}
	return l.open > l.bounds.StrangersOpen && n > max(1, l.bounds.StrangersOpen/l.holders)
}

// ended counts that some streams of a connection have ended, which has n more.
func (l *Limiter) ended(some, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open -= some
	if some > 0 && n == 0 {
		l.holders--
	}
}
