package lane

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"key-value/internal/server/h2"
)

// bodies follows the request bodies of an HTTP/2 connection. When a response ends before its request, servers reset the
// stream, without an error. RFC 9113, section 8.1, allows that, but many clients then lose the response: those that read
// it only after they have sent the body, and those that take any reset for a failure. So such a reset is not sent.
// Instead the client may send up to UnreadBytes more, which nobody reads.
type bodies struct {
	bounds  *Bounds
	waiting atomic.Int32 // how many of unread have not ended

	mu     sync.Mutex
	open   []uint32 // streams whose body is arriving and whose response has not ended; guarded by mu
	unread []unread // the oldest first, at most Bounds.Streams; guarded by mu
}

// unread is a body of which no more is read.
type unread struct {
	stream uint32
	left   int       // bytes that may still arrive
	until  time.Time // when they must have arrived
	ended  bool      // whether the client has ended it
}

// began reports a request with a body.
func (b *bodies) began(stream uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open = append(b.open, stream)
}

// arrived reports a frame that is not the first of a stream. It returns whether the body is unread, and the frame that
// resets the stream, if the body is too long or too slow.
func (b *bodies) arrived(f h2.Frame) (isUnread bool, reset []byte) {
	ends := f.Kind == h2.TypeRSTStream || f.Has(h2.FlagEndStream)
	if !ends && b.waiting.Load() == 0 {
		return false, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if ends {
		b.closeLocked(f.Stream)
	}
	i := slices.IndexFunc(b.unread, func(u unread) bool { return u.stream == f.Stream })
	if i < 0 {
		return false, nil
	}
	u := &b.unread[i]
	if f.Kind == h2.TypeData {
		u.left -= f.Length
	}
	switch {
	case u.ended:
	case ends:
		b.endLocked(u)
	case u.left < 0 || time.Now().After(u.until):
		b.endLocked(u)
		return true, h2.EnoughRead(f.Stream)
	}
	return true, nil
}

// replace decides about a reset that the server writes: it returns what is written instead, if anything is. A server
// also resets a stream when it reads more of a body after its own reset.
func (b *bodies) replace(stream, code uint32) (instead []byte, replace bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	arriving := b.closeLocked(stream)
	switch {
	case code == h2.CodeStreamClosed:
		return nil, slices.ContainsFunc(b.unread, func(u unread) bool { return u.stream == stream })
	case code != h2.CodeNoError || !b.makeRoomLocked():
		return nil, false
	}
	u := unread{stream: stream, left: b.bounds.UnreadBytes, until: time.Now().Add(b.bounds.UnreadTimeout), ended: !arriving}
	b.unread = append(b.unread, u)
	if u.ended {
		return nil, true
	}
	b.waiting.Add(1)
	return h2.WindowUpdate(stream, uint32(min(u.left, windowMax))), true
}

// windowMax leaves room in the largest window of a stream, 2^31-1, for the one that it begins with.
const windowMax = 1 << 30

// closeLocked reports whether a stream was open, and makes it no longer open.
func (b *bodies) closeLocked(stream uint32) bool {
	i := slices.Index(b.open, stream)
	if i >= 0 {
		b.open = slices.Delete(b.open, i, i+1)
	}
	return i >= 0
}

func (b *bodies) endLocked(u *unread) {
	u.ended = true
	b.waiting.Add(-1)
}

// makeRoomLocked makes room for one more unread body, and reports whether there is any.
func (b *bodies) makeRoomLocked() bool {
	if len(b.unread) < b.bounds.Streams {
		return true
	}
	now := time.Now()
	i := slices.IndexFunc(b.unread, func(u unread) bool { return u.ended || now.After(u.until) })
	if i < 0 {
		return false
	}
	if !b.unread[i].ended {
		b.endLocked(&b.unread[i])
	}
	b.unread = slices.Delete(b.unread, i, i+1)
	return true
}
