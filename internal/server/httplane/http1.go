package httplane

import (
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"key-value/internal/server/lane"
	"key-value/internal/server/sniff"
)

// http1Conn is an HTTP/1.1 connection that net/http serves. When net/http closes it after a response whose request was
// not read to its end, the client gets time to read that response, see [lane.Linger].
type http1Conn struct {
	*sniff.Conn
	bounds    lane.Bounds
	lingering *sync.WaitGroup
	closing   sync.Once

	// Of the current request, or of what is not one but was answered.
	answered atomic.Bool // whether something was written
	whole    atomic.Bool // whether all of it was read
}

// watchState is called by net/http when a connection changes its state.
func watchState(conn net.Conn, state http.ConnState) {
	if c, ok := conn.(*http1Conn); ok && state == http.StateIdle {
		c.answered.Store(false)
		c.whole.Store(false)
	}
}

// readAll reports that the current request was read to its end. C may be nil.
func (c *http1Conn) readAll() {
	if c != nil {
		c.whole.Store(true)
	}
}

// Write implements [net.Conn].
func (c *http1Conn) Write(p []byte) (int, error) {
	c.answered.Store(true)
	return c.Conn.Write(p)
}

// CloseWrite is what net/http calls half a second before Close if it knows that a request was not read to its end. The
// client must not have to wait that long.
func (c *http1Conn) CloseWrite() error { return c.Close() }

// Close implements [net.Conn].
func (c *http1Conn) Close() (err error) {
	c.closing.Do(func() {
		if !c.answered.Load() || c.whole.Load() {
			err = c.Conn.Close()
			return
		}
		c.Answered()
		c.lingering.Go(func() {
			lane.Linger(c.Conn.Conn, c.bounds)
			_ = c.Conn.Close()
		})
	})
	return err
}
