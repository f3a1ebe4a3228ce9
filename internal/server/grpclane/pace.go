package grpclane

import (
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/mem"

	"key-value/internal/server/lane"
)

// timer ends a call whose peer does not keep pace. Bytes that move while it runs put off its end.
type timer struct {
	stream *stream
	giveUp func(*stream) // ends the call
	clock  *time.Timer   // nil: never started

	mu      sync.Mutex
	meter   lane.Meter // guarded by mu
	running bool       // guarded by mu
}

// start starts a timer that was stopped, or never started.
func (t *timer) start() {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	wait := t.meter.Begin(now).Sub(now)
	t.running = true
	if t.clock == nil {
		t.clock = time.AfterFunc(wait, t.expired)
	} else {
		t.clock.Reset(wait)
	}
}

// stop stops the timer.
func (t *timer) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.meter.End(time.Now())
	t.running = false
	t.clock.Stop()
}

// moved counts n bytes. The clock goes on, and finds out when it ends that there is time left.
func (t *timer) moved(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running {
		t.meter.Moved(n, t.stream.sharers(), time.Now())
	}
}

func (t *timer) expired() {
	if t.keepWaiting() {
		return
	}
	t.giveUp(t.stream)
}

// keepWaiting reports whether there is time left, or nothing to wait for.
func (t *timer) keepWaiting() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	left := time.Until(t.meter.Deadline())
	if t.running && left > 0 {
		t.clock.Reset(left)
	}
	return !t.running || left > 0
}

// sharers returns how many calls are in progress on the stream's connection.
func (s *stream) sharers() int {
	if s.calls == nil {
		return 1
	}
	return int(s.calls.Load())
}

// pieces is a long message that is sent in pieces, each of which is reported when grpc-go has written it. It is the pool
// to which grpc-go returns them.
type pieces struct {
	sent  func(n int)
	rest  atomic.Int64 // pieces that grpc-go still has
	whole *[]byte
	pool  mem.BufferPool // takes whole in the end; nil: none
}

// inPieces returns data, which is from pool, as buffers of size bytes.
func inPieces(data *[]byte, pool mem.BufferPool, size int, sent func(n int)) mem.BufferSlice {
	p := &pieces{sent: sent, whole: data, pool: pool}
	var all mem.BufferSlice
	for rest := *data; len(rest) > 0; {
		n := min(size, len(rest))
		if len(rest)-n < size/2 {
			n = len(rest) // grpc-go does not return buffers that are very short
		}
		piece := rest[:n:n]
		all, rest = append(all, mem.NewBuffer(&piece, p)), rest[n:]
	}
	p.rest.Store(int64(len(all)))
	return all
}

// Get implements [mem.BufferPool]. It is not called.
func (p *pieces) Get(n int) *[]byte { return mem.DefaultBufferPool().Get(n) }

// Put implements [mem.BufferPool].
func (p *pieces) Put(piece *[]byte) {
	p.sent(len(*piece))
	if p.rest.Add(-1) == 0 && p.pool != nil {
		p.pool.Put(p.whole)
	}
}
