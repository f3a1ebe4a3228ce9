package httplane

import (
	"net"
	"sync"
	"time"

	"key-value/internal/server/h2"
	"key-value/internal/server/lane"
	"key-value/internal/server/sniff"
)

// gatherMax is how many bytes may wait to be written.
const gatherMax = 64 << 10

// conn is an HTTP/2 connection that net/http serves. It takes the acknowledgement of our own SETTINGS
// out, which net/http would hold against the client, and gathers writes: net/http makes three small ones for
// each answer, and while one of them is under way the next ones fill a buffer.
type conn struct {
	*sniff.Conn
	filter *h2.Filter
	bounds lane.Bounds
	acking bool   // whether an acknowledgement of our SETTINGS is still to come
	resets resets // of whoever reads

	mu      sync.Mutex
	changed sync.Cond   // of the fields below
	pending []byte      // what waits to be written; guarded by mu
	spare   []byte      // an empty buffer; guarded by mu
	closed  bool        // whether the server is done with the connection; guarded by mu
	err     error       // why no more can be written; guarded by mu
	first   h2.Boundary // looks for the first answer; guarded by mu
}

// newConn returns c for net/http. Its flusher runs until the connection is closed and its last bytes are written, which
// flushing waits for.
func newConn(c *sniff.Conn, bounds lane.Bounds, flushing *sync.WaitGroup) *conn {
	out := &conn{Conn: c, bounds: bounds, first: h2.Boundary{Answered: c.Answered}}
	out.resets.bounds = &out.bounds
	out.changed.L = &out.mu
	out.acking = c.HTTP2.AckPending
	out.filter = h2.NewFilter(c.Conn, c.HTTP2.Read, c.HTTP2.Looked, out.judge)
	flushing.Go(out.flush)
	return out
}

// judge drops the first acknowledgement of SETTINGS: they come in order, and the first SETTINGS were ours.
func (c *conn) judge(f h2.Frame, _ []byte) h2.Verdict {
	c.resets.count(f)
	if c.acking && f.Kind == h2.TypeSettings && f.Has(h2.FlagAck) && f.Length == 0 {
		c.acking = false
		return h2.Drop
	}
	return h2.Pass
}

func (c *conn) Read(p []byte) (int, error) { return c.filter.Read(c.resets.wait(p)) }

// Write implements [net.Conn]. An error is told with a later write.
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
	if len(c.pending) == 0 {
		c.changed.Broadcast()
	}
	if c.first.Answered != nil {
		c.first.Step(p)
	}
	c.pending = append(c.pending, p...)
	return len(p), nil
}

// Close ends reading and writing. What was written before is still sent, for the time that bounds allow.
func (c *conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.Answered()
	c.closed = true
	c.changed.Broadcast()
	_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
	_ = c.Conn.SetWriteDeadline(time.Now().Add(c.bounds.FlushTimeout))
	return nil
}

// SetDeadline sets that for reading. Each write has a deadline of its own.
func (c *conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetWriteDeadline does nothing, for the same reason.
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

// flush writes what waits, as long as there is a connection.
func (c *conn) flush() {
	defer c.Conn.Close()
	for {
		batch := c.take()
		if batch == nil {
			return
		}
		_, err := c.Conn.Conn.Write(batch)
		c.give(batch, err)
		if err != nil {
			return
		}
	}
}

// take waits for something to write, and returns nil when nothing will come.
func (c *conn) take() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.pending) == 0 && !c.closed {
		c.changed.Wait()
	}
	if len(c.pending) == 0 {
		return nil
	}
	if !c.closed {
		_ = c.Conn.SetWriteDeadline(time.Now().Add(c.bounds.WriteTimeout))
	}
	batch := c.pending
	c.pending, c.spare = c.spare[:0], nil
	c.changed.Broadcast()
	return batch
}

// give returns a buffer that was written.
func (c *conn) give(batch []byte, err error) {
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
