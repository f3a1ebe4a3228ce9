// Package netpoll makes the scheduler look for what has arrived from the network.
//
// While goroutines can run, the scheduler polls the network only every 10 ms. A server that always has something to do
// for some callers would so let the others wait for 5 ms on average before it even begins to read their requests, and
// longer before it can reject them.
package netpoll

import (
	"os"
	"runtime"
	"sync"
)

// Poller lets what has arrived run first. A nil Poller only yields.
//
// [runtime.Gosched] does not do that: it does not poll. A byte in a pipe becomes ready in the same way as a request. So
// waiting for one makes the scheduler poll as soon as it has nothing else to run.
type Poller struct {
	read, write *os.File

	mu      sync.Mutex // held while polling
	out, in [1]byte    // guarded by mu
}

// New returns nil if it cannot open a pipe.
func New() *Poller {
	read, write, err := os.Pipe()
	if err != nil {
		return nil
	}
	return &Poller{read: read, write: write}
}

// Poll returns once the goroutines that wait for what has arrived by now could run. While another goroutine polls, it only
// yields.
func (p *Poller) Poll() {
	if p != nil && p.mu.TryLock() {
		go p.send() // runs once this goroutine waits
		_, _ = p.read.Read(p.in[:])
		p.mu.Unlock()
	}
	runtime.Gosched() // the goroutine that became ready last, which is this one, would run first
}

func (p *Poller) send() { _, _ = p.write.Write(p.out[:]) }
