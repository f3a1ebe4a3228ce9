package grpclane

import (
	"sync"
	"sync/atomic"

	"key-value/internal/server/h2"
)

// lengths compares the bodies of requests with their Content-Length, which grpc-go does not. Requests without one, as
// those of nearly all gRPC clients, cost nothing.
type lengths struct {
	count atomic.Int32 // of left
	mu    sync.Mutex
	left  map[uint32]int64 // :: stream → bytes that are still to come; guarded by mu
}

// declare records that the body of a request is to have so many bytes.
func (l *lengths) declare(stream uint32, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left == nil {
		l.left = map[uint32]int64{}
	}
	l.left[stream] = bytes
	l.count.Store(int32(len(l.left)))
}

// forget forgets a stream.
func (l *lengths) forget(stream uint32) {
	if l.count.Load() == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.left, stream)
	l.count.Store(int32(len(l.left)))
}

// wrong reports whether a frame of n bytes of content makes the body longer than declared, or ends it too early.
func (l *lengths) wrong(f h2.Frame, n int) bool {
	if l.count.Load() == 0 {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	left, declared := l.left[f.Stream]
	if !declared {
		return false
	}
	left -= int64(n)
	l.left[f.Stream] = left
	return left < 0 || left > 0 && f.Has(h2.FlagEndStream)
}

// sent observes a frame that the server writes: what arrives for a stream that it has ended does not count.
func (l *lengths) sent(f h2.Frame) {
	if f.Kind == h2.TypeRSTStream || (f.Kind == h2.TypeHeaders || f.Kind == h2.TypeData) && f.Has(h2.FlagEndStream) {
		l.forget(f.Stream)
	}
}

// content returns how much of the payload of the DATA frame f, at the start of rest, is not padding. Complete is false if
// not enough has arrived to tell.
func content(f h2.Frame, rest []byte) (n int, complete bool) {
	if !f.Has(h2.FlagPadded) || f.Length == 0 {
		return f.Length, true
	}
	if len(rest) <= h2.FrameHeaderBytes {
		return 0, false
	}
	return max(0, f.Length-1-int(rest[h2.FrameHeaderBytes])), true
}
