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

	mu      sync.Mutex
	changed sync.Cond  // that one of the fields below has changed
	pending []byte     // waits to be written; guarded by mu
	spare   []byte     // an empty buffer; guarded by mu
	closed  bool       // whether net/http has closed the connection; guarded by mu
	err     error      // why nothing more can be written; guarded by mu
	tracker h2.Tracker // follows the responses; guarded by mu
}

// newConn wraps c. It starts a flusher, which runs until the connection is closed and its last bytes are sent, and is
// counted in flushing.
func newConn(sniffed *sniff.Conn, bounds lane.Bounds, limiter *lane.Limiter, flushing *sync.WaitGroup) *conn {
	c := &conn{Conn: sniffed, bounds: bounds, acking: sniffed.HTTP2.AckPending}
	c.streams = lane.NewStreams(limiter, lane.ConnOf(sniffed.Conn), c.insert, func() { _ = c.Close() })
	c.tracker = h2.Tracker{OnHeaders: sniffed.Answered, OnFrame: c.streams.Sent, OnReset: c.streams.Replace}
	c.changed.L = &c.mu
	c.filter = h2.NewFilter(sniffed.Conn, sniffed.HTTP2.Buffer, sniffed.HTTP2.Judged, c.judge, c.streams)
	// To a sniff.Conn it would look like the first response.
	c.writer = lane.NewWriter(sniffed.Conn, bounds.WritePace())
	c.writer.SetDeadline = c.setWriteDeadline
	flushing.Go(c.flush)
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
	for len(c.pending) > gatherMax && c.err == nil && !c.closed {
		c.changed.Wait()
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

// appendLocked makes the flusher write b.
func (c *conn) appendLocked(b []byte) {
	if len(c.pending) == 0 {
		c.changed.Broadcast()
	}
	c.pending = append(c.pending, b...)
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
	c.changed.Broadcast()
	_ = c.SetReadDeadline(time.Unix(1, 0))
	_ = c.Conn.SetWriteDeadline(time.Now().Add(c.bounds.FlushTimeout))
	return nil
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

// flush writes what is pending, until there will be no more.
func (c *conn) flush() {
	defer c.Conn.Close()
	for {
		batch := c.take()
		if batch == nil {
			return
		}
		_, err := c.writer.Write(batch)
		c.giveBack(batch, err)
		if err != nil {
			return
		}
	}
}

// take waits for bytes to write. It returns nil when there will be none.
func (c *conn) take() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.pending) == 0 && !c.closed {
		c.changed.Wait()
	}
	if len(c.pending) == 0 {
		return nil
	}
	batch := c.pending
	c.pending, c.spare = c.spare[:0], nil
	c.changed.Broadcast()
	return batch
}

// giveBack returns a buffer after it was written, with what came of it.
func (c *conn) giveBack(batch []byte, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cap(batch) <= gatherMax {
		c.spare = batch[:0]
	}
	if err != nil {
		c.err = err
		c.changed.Broadcast()
	}
}
