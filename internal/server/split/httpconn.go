package split

import (
	"net"
	"sync"
	"time"
)

const (
	// gatherMax is how many bytes may wait to be written.
	gatherMax = 64 << 10
	// flushTime is how long what is still to be written may take once the server has closed the connection.
	flushTime = time.Second
)

// httpConn is an HTTP/2 connection that net/http serves. It takes the acknowledgement of our own SETTINGS
// out, which net/http would hold against the client, and gathers writes: net/http makes three small ones for
// each answer, and while one of them is under way the next ones fill a buffer.
type httpConn struct {
	net.Conn
	source   *source
	timeout  time.Duration
	answered func()
	acking   bool   // whether an acknowledgement of our SETTINGS is still to come
	resets   resets // of whoever reads

	mu      sync.Mutex
	changed sync.Cond // of the fields below
	pending []byte    // what waits to be written; guarded by mu
	spare   []byte    // an empty buffer; guarded by mu
	closed  bool      // whether the server is done with the connection; guarded by mu
	err     error     // why no more can be written; guarded by mu
	first   boundary  // looks for the first answer; guarded by mu
}

// newHTTPConn returns the connection that p has looked at. Its flusher runs until the connection is closed
// and its last bytes are written, which flushing waits for.
func newHTTPConn(p *peeker, answered func(), flushing *tally) *httpConn {
	c := &httpConn{Conn: p.conn, timeout: p.cfg.WriteTimeout, answered: answered, first: boundary{answered: answered}}
	c.changed.L = &c.mu
	c.acking = p.settings && !p.acked
	c.source = newSource(p, c.judge)
	flushing.up()
	go func() {
		defer flushing.down()
		c.flush()
	}()
	return c
}

// judge drops the first acknowledgement of SETTINGS: they come in order, and the first SETTINGS were ours.
func (c *httpConn) judge(f frame, _ []byte) verdict {
	c.resets.count(f)
	if c.acking && f.kind == typeSettings && f.has(flagAck) && f.length == 0 {
		c.acking = false
		return drop
	}
	return pass
}

func (c *httpConn) Read(p []byte) (int, error) { return c.source.Read(c.resets.wait(p)) }

// Write implements [net.Conn]. An error is told with a later write.
func (c *httpConn) Write(p []byte) (int, error) {
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
	if c.first.answered != nil {
		c.first.step(p)
	}
	c.pending = append(c.pending, p...)
	return len(p), nil
}

// Close ends reading and writing. What was written before is still sent, for flushTime at most.
func (c *httpConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.answered()
	c.closed = true
	c.changed.Broadcast()
	_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
	_ = c.Conn.SetWriteDeadline(time.Now().Add(flushTime))
	return nil
}

// SetDeadline sets that for reading. Each write has a deadline of its own.
func (c *httpConn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetWriteDeadline does nothing, for the same reason.
func (c *httpConn) SetWriteDeadline(time.Time) error { return nil }

// flush writes what waits, as long as there is a connection.
func (c *httpConn) flush() {
	defer c.Conn.Close()
	for {
		batch := c.take()
		if batch == nil {
			return
		}
		_, err := c.Conn.Write(batch)
		c.give(batch, err)
		if err != nil {
			return
		}
	}
}

// take waits for something to write, and returns nil when nothing will come.
func (c *httpConn) take() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.pending) == 0 && !c.closed {
		c.changed.Wait()
	}
	if len(c.pending) == 0 {
		return nil
	}
	if !c.closed {
		_ = c.Conn.SetWriteDeadline(time.Now().Add(c.timeout))
	}
	batch := c.pending
	c.pending, c.spare = c.spare[:0], nil
	c.changed.Broadcast()
	return batch
}

// give returns a buffer that was written.
func (c *httpConn) give(batch []byte, err error) {
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
