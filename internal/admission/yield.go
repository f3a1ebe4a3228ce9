package admission

import (
	"os"
	"runtime"
)

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
		p.poll()
		l.pollers <- p
	default: // enough other goroutines poll
		runtime.Gosched()
	}
}

// poller makes the scheduler look for requests that have arrived. One goroutine uses it at a time.
//
// [runtime.Gosched] does not: while goroutines can run, the scheduler polls the network only every 10 ms, and requests
// that arrive in between are not even rejected. A byte in a pipe becomes ready in the same way as a request. So waiting
// for one makes the scheduler poll as soon as it has nothing else to run.
type poller struct {
	read, write *os.File
	out, in     [1]byte
}

// newPoller returns nil if it cannot open a pipe.
func newPoller() *poller {
	read, write, err := os.Pipe()
	if err != nil {
		return nil
	}
	return &poller{read: read, write: write}
}

// poll returns once the goroutines whose requests have arrived by now could run. A nil poller only yields.
func (p *poller) poll() {
	if p != nil {
		go p.send() // runs once this goroutine waits
		_, _ = p.read.Read(p.in[:])
	}
	runtime.Gosched() // the goroutine that became ready last, which is this one, would run first
}

func (p *poller) send() { _, _ = p.write.Write(p.out[:]) }
