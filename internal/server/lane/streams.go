package lane

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"key-value/internal/server/h2"
)

const (
	// pacedBytes is how much is read at once of a client that is being delayed: a few requests, so that the requests of
	// others come in between.
	pacedBytes = 512
	// delayMax is the longest delay before one read. A client that is delayed must still be noticed when it leaves.
	delayMax = time.Second
)

// Streams follows the streams of one HTTP/2 connection, whatever lane serves it: a lane reports the frames that arrive
// before its server reads them, and those that its server writes. It holds the connection to a [Limiter] until a caller
// has authenticated, and again after a caller was refused, and makes a client slower that resets requests or guesses
// keys. It also lets clients send the rest of a body after their response.
//
// Resetting is a way to make a server work at no cost to the client (rapid reset, CVE-2023-44487): servers bound the
// handlers that run for such a client, but not the rest of the work. Closing the connection at once would be useless,
// since the client opens another.
type Streams struct {
	limiter *Limiter
	conn    *Conn               // nil: it is not in the table of connections
	insert  func(frames []byte) // sends frames between those of the server
	close   func()              // closes the connection
	bodies  bodies
	known   atomic.Bool
	trusted atomic.Bool   // whether it was ever known, or is a trusted proxy's
	guesses atomic.Int64  // delay that refusals have added, in nanoseconds
	done    chan struct{} // closed by Close

	// Only the reader uses these.
	last   uint32        // the latest stream
	place  *place        // for the next stream; nil: there is none
	resets int           // requests that were reset beyond ResetsFree
	owed   time.Duration // delay before more is read

	excess atomic.Int64 // requests that were reset, less those that were not; at least -1; only the reader changes it
	count  atomic.Int32 // of open
	mu     sync.Mutex
	open   []openStream // those that count; guarded by mu
	closed bool         // guarded by mu
}

// openStream is a stream that was opened while no caller was known.
type openStream struct {
	id    uint32
	place *place // nil once its response has begun
}

// NewStreams returns what follows the streams of a connection. It calls insert to send frames between those of the
// server, and closeConn to close the connection. Conn is nil if it is not in the table of connections.
func NewStreams(limiter *Limiter, conn *Conn, insert func(frames []byte), closeConn func()) *Streams {
	s := &Streams{
		limiter: limiter, conn: conn, insert: insert, close: closeConn,
		bodies: bodies{bounds: &limiter.bounds}, done: make(chan struct{}),
	}
	s.trusted.Store(conn.Proxied())
	return s
}

// Arrived reports the arrival of f. It returns false if f must wait, with all that follows: the reader then calls
// Wait, before it reports f again. What precedes f must not wait, because it may be what others wait for.
func (s *Streams) Arrived(f h2.Frame) bool {
	switch {
	case f.Kind == h2.TypeHeaders && f.Stream > s.last:
		if !s.opening(f.Stream) {
			return false
		}
		if !f.Has(h2.FlagEndStream) {
			s.bodies.began(f.Stream)
		}
	case f.Kind == h2.TypeHeaders, f.Kind == h2.TypeData, f.Kind == h2.TypeRSTStream:
		unread, reset := s.bodies.arrived(f)
		if reset != nil {
			s.insert(reset)
		}
		if f.Kind == h2.TypeRSTStream && !unread {
			s.reset(f.Stream)
		}
	}
	return true
}

// Replace decides about a reset that the server writes: it returns what is to be written instead, if anything is.
func (s *Streams) Replace(stream, code uint32) (instead []byte, replace bool) {
	return s.bodies.replace(stream, code)
}

func (s *Streams) opening(id uint32) bool {
	p := s.place
	if p == nil && !s.known.Load() {
		if p = s.limiter.acquire(); p == nil {
			return false
		}
	}
	s.place = nil
	s.begin(id, p)
	return true
}

// Began reports that the first request, which has a body, has arrived already. It does not wait.
func (s *Streams) Began(id uint32) {
	s.begin(id, s.limiter.force())
	s.bodies.began(id)
}

// begin counts a new stream, which has a place unless the caller is known.
func (s *Streams) begin(id uint32, p *place) {
	s.last = id
	if excess := s.excess.Load(); excess >= 0 {
		s.excess.Store(excess - 1) // until it is reset
	}
	if p == nil {
		return
	}
	s.mu.Lock()
	if s.closed || s.known.Load() {
		s.mu.Unlock()
		s.limiter.release(p)
		return
	}
	s.open = append(s.open, openStream{id, p})
	n := len(s.open)
	s.count.Store(int32(n))
	tooMany := s.limiter.opened(n) && !s.trusted.Load()
	s.mu.Unlock()
	if tooMany {
		s.close()
	}
}

// reset counts a request that was reset. ResetsMax of them beyond ResetsFree close the connection.
func (s *Streams) reset(id uint32) {
	s.end(id, true)
	bounds := &s.limiter.bounds
	if s.excess.Add(2) <= int64(bounds.ResetsFree) {
		return
	}
	s.owed += bounds.ResetDelay
	if s.resets++; s.resets >= bounds.ResetsMax {
		s.close()
	}
}

// Wait waits until the frame for which Arrived returned false may be reported again.
func (s *Streams) Wait() {
	if s.known.Load() {
		return
	}
	if s.place = s.limiter.wait(s.done); s.place == nil {
		s.place = s.limiter.force() // the connection is closed, and gives it back
	}
}

// Pace delays the reader of a client that is to be delayed. It returns how many bytes the reader may then pass on before
// it calls Pace again.
func (s *Streams) Pace() int {
	s.owed += time.Duration(s.guesses.Swap(0))
	if s.owed > 0 {
		delay := min(s.owed, delayMax)
		s.owed -= delay
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-s.done:
		}
		return pacedBytes
	}
	if s.excess.Load() > int64(s.limiter.bounds.ResetsFree) {
		return pacedBytes
	}
	return h2.MaxHeaderBlock
}

// Resetting reports whether the client has reset more requests than it has not, so that the reset of a request may have
// arrived with it.
func (s *Streams) Resetting() bool { return s.excess.Load() > 0 }

// Conn returns the accepted connection. Nil: it is not in the table of connections. S may be nil.
func (s *Streams) Conn() *Conn {
	if s == nil {
		return nil
	}
	return s.conn
}

// Sent reports a frame that the server writes.
func (s *Streams) Sent(f h2.Frame) {
	if s.count.Load() == 0 {
		return
	}
	switch f.Kind {
	case h2.TypeHeaders, h2.TypeData:
		s.end(f.Stream, f.Has(h2.FlagEndStream))
	case h2.TypeRSTStream:
		s.end(f.Stream, true)
	}
}

// end reports that the response to a request has begun, and whether the stream has ended.
func (s *Streams) end(id uint32, ended bool) {
	if s.count.Load() == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.open {
		if s.open[i].id != id {
			continue
		}
		if s.open[i].place != nil {
			s.limiter.release(s.open[i].place)
			s.open[i].place = nil
		}
		if ended {
			last := len(s.open) - 1
			s.open[i] = s.open[last]
			s.open = s.open[:last]
			s.count.Store(int32(last))
			s.limiter.ended(1, last)
		}
		return
	}
}

// Close releases everything. The lane calls it when it closes the connection.
func (s *Streams) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		close(s.done)
	}
	s.forgetLocked()
}

// forgetLocked stops counting all open streams.
func (s *Streams) forgetLocked() {
	for _, o := range s.open {
		s.limiter.release(o.place)
	}
	s.limiter.ended(len(s.open), 0)
	s.open = nil
	s.count.Store(0)
}

// admit makes the caller known.
func (s *Streams) admit() {
	if s.known.Load() {
		return
	}
	s.conn.admit()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trusted.Store(true)
	s.known.Store(true)
	s.forgetLocked()
}

// refuse makes the caller unknown. Unless it was known before, the connection is delayed: others may share a connection
// with it that comes from a proxy.
func (s *Streams) refuse(delay time.Duration) {
	s.known.Store(false)
	if !s.trusted.Load() {
		s.guesses.Add(int64(delay))
	}
}

type streamsKey struct{}

// StreamsKey is the context key under which lanes keep the *Streams of a request's connection.
var StreamsKey any = streamsKey{}

// Admitted reports that the caller of a request, whose context is ctx, has authenticated. From then on its connection
// is not held to the bounds for strangers.
func Admitted(ctx context.Context) {
	if s, ok := ctx.Value(StreamsKey).(*Streams); ok {
		s.admit()
	} else if c, ok := ctx.Value(connKey{}).(*Conn); ok {
		c.admit()
	}
}

// Refused reports that the caller of a request, whose context is ctx, has not authenticated. It delays the caller, and
// returns at once if that is possible without delaying this request: on HTTP/2, what holds a request costs memory, and
// not reading the connection costs none.
func Refused(ctx context.Context, delay time.Duration) {
	if s, ok := ctx.Value(StreamsKey).(*Streams); ok {
		s.refuse(delay)
		return
	}
	if delay <= 0 {
		return
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
