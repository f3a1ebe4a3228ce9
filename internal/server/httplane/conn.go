package httplane

import (
	"net"
	"sync"
	"time"

	"key-value/internal/server/h2"
	"key-value/internal/server/lane"
	"key-value/internal/server/sniff"
)

// gatherMax is how many bytes may wait to be written before writers wait.
const gatherMax = 64 << 10

// buffers has buffers of type *[]byte for bytes that wait to be written, so that idle connections need none.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// conn is an HTTP/2 connection that net/http serves. It hides the acknowledgement of SETTINGS that net/http did not
// send, which net/http would take for a protocol error, and it gathers writes: net/http makes about three small ones for
// each response, and those that come while one is being sent fill a buffer.
type conn struct {
	*sniff.Conn
	filter  *h2.Filter
	bounds  lane.Bounds
	acking  bool // whether the acknowledgement is still to come; only the reader uses it
	streams *lane.Streams
	writer  *lane.Writer // only the flusher uses it
	flushed func()       // called when the connection is closed and its last bytes are sent

	mu       sync.Mutex
	room     sync.Cond  // that pending has room, or that nothing more can be written
	pending  *[]byte    // waits to be written; nil: nothing does; guarded by mu
	flushing bool       // whether there is a flusher, the goroutine that writes what is pending; guarded by mu
	closed   bool       // whether net/http has closed the connection; guarded by mu
	err      error      // why nothing more can be written; guarded by mu
	tracker  h2.Tracker // follows the responses; guarded by mu
}

// newConn wraps c. It counts the connection in unflushed until it is closed and its last bytes are sent.
func newConn(sniffed *sniff.Conn, bounds lane.Bounds, limiter *lane.Limiter, unflushed *sync.WaitGroup) *conn {
	unflushed.Add(1)
	c := &conn{Conn: sniffed, bounds: bounds, acking: sniffed.HTTP2.AckPending, flushed: unflushed.Done}
	c.streams = lane.NewStreams(limiter, lane.ConnOf(sniffed.Conn), c.insert, func() { _ = c.Close() })
	c.tracker = h2.Tracker{OnHeaders: sniffed.Answered, OnFrame: c.streams.Sent, OnReset: c.streams.Replace}
	c.room.L = &c.mu
	c.filter = h2.NewFilter(sniffed.Conn, sniffed.HTTP2.Buffer, sniffed.HTTP2.Judged, c.judge, c.streams)
	// To a sniff.Conn it would look like the first response.
	c.writer = lane.NewWriter(sniffed.Conn, bounds.WritePace())
	c.writer.SetDeadline = c.setWriteDeadline
	return c
}

// judge drops the first acknowledgement of SETTINGS: they arrive in the order of the SETTINGS, of which the first were
// not net/http's.
func (c *conn) judge(f h2.Frame, _ []byte) h2.Verdict {
	if !c.streams.Arrived(f) {
		return h2.Hold
	}
	if c.acking && f.Kind == h2.TypeSettings && f.Has(h2.FlagAck) && f.Length == 0 {
		c.acking = false
		return h2.Drop
	}
	return h2.Pass
}

// Read implements [net.Conn].
func (c *conn) Read(p []byte) (int, error) { return c.filter.Read(p) }

// Write implements [net.Conn]. The error of a write is returned by a later one.
func (c *conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.pending != nil && len(*c.pending) > gatherMax && c.err == nil && !c.closed {
		c.room.Wait()
	}
	if c.closed {
		return 0, net.ErrClosed
	}
	if c.err != nil {
		return 0, c.err
	}
	c.appendLocked(c.tracker.Advance(p))
	return len(p), nil
}

// insert writes frames, now or after the frame that is being written.
func (c *conn) insert(frames []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.appendLocked(c.tracker.Insert(frames))
}

// appendLocked makes the flusher write b, unless nothing more can be written.
func (c *conn) appendLocked(b []byte) {
	if len(b) == 0 || c.closed || c.err != nil {
		return
	}
	if c.pending == nil {
		c.pending = buffers.Get().(*[]byte)
	}
	*c.pending = append(*c.pending, b...)
	c.flushLocked()
}

// Close ends reading and writing. What was written before is still sent, within FlushTimeout.
func (c *conn) Close() error {
	c.streams.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.Answered()
	c.closed = true
	c.room.Broadcast()
	_ = c.SetReadDeadline(time.Unix(1, 0))
	_ = c.Conn.SetWriteDeadline(time.Now().Add(c.bounds.FlushTimeout))
	c.flushLocked()
	return nil
}

// flushLocked starts a flusher if there is none.
func (c *conn) flushLocked() {
	if !c.flushing {
		c.flushing = true
		go c.flush()
	}
}

// SetDeadline sets the read deadline. The flusher sets its own deadline for each write.
func (c *conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetWriteDeadline does nothing, for the same reason.
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

// setWriteDeadline sets the deadline of the flusher's writes, unless Close has set the last one.
func (c *conn) setWriteDeadline(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		_ = c.Conn.SetWriteDeadline(t)
	}
}

// flush writes what is pending until nothing is. It then closes the connection if net/http has.
func (c *conn) flush() {
	for {
		batch, closed := c.take()
		if batch == nil {
			if closed {
				_ = c.Conn.Close()
				c.flushed()
			}
			return
		}
		_, err := c.writer.Write(*batch)
		if cap(*batch) <= gatherMax {
			*batch = (*batch)[:0]
			buffers.Put(batch)
		}
		if err != nil {
			c.fail(err)
		}
	}
}

// take returns what is pending, and whether net/http has closed the connection. If it returns nil, the flusher must end.
func (c *conn) take() (batch *[]byte, closed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		batch = c.pending
	}
	c.pending = nil
	c.flushing = batch != nil
	c.room.Broadcast()
	return batch, c.closed
}

// fail ends writing. Net/http notices that it can no longer read.
func (c *conn) fail(err error) {
	_ = c.Conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
	c.room.Broadcast()
}
