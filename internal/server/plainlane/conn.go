package plainlane

import (
	"context"
	"net/http"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"key-value/internal/server/lane"
	"key-value/internal/server/sniff"
)

// firstBuffer is how many bytes of a request are read at first. Most requests are shorter.
const firstBuffer = 1 << 10

// phase is what a connection is doing.
type phase int

const (
	idle    phase = iota // waiting for a request
	reading              // waiting for the rest of a head
	serving
	closing // after a response, while the caller may still be sending
)

// conn is a connection.
type conn struct {
	lane     *Lane
	sniffed  *sniff.Conn
	accepted *lane.Conn      // nil: it is not in the table of connections
	ctx      context.Context // of which those of requests are made
	blank    http.Request    // what all requests have in common
	out      output

	// These are of the request that is being read or served, and are used again.
	head     head
	header   http.Header
	response response
	buf      []byte // buf[start:end] was read and not used
	start    int
	end      int
	wasPost  bool // whether the previous request was POST
	unread   bool // whether the caller may send more than was read of it

	mu       sync.Mutex
	phase    phase     // guarded by mu
	since    time.Time // when the head began to arrive; guarded by mu
	deadline time.Time // the read deadline; guarded by mu
	settleBy time.Time // until when the head of a request must have arrived; zero: the lane is not stopping; guarded by mu
	waiting  *call     // the request that is being served; guarded by mu
}

func newConn(l *Lane, sniffed *sniff.Conn) *conn {
	c := &conn{
		lane: l, sniffed: sniffed, accepted: lane.ConnOf(sniffed.Conn), ctx: context.Background(),
		out:    output{writer: lane.NewWriter(sniffed, l.cfg.Bounds.WritePace()), buffers: &l.buffers},
		header: http.Header{}, buf: make([]byte, firstBuffer),
	}
	if c.accepted != nil {
		c.ctx = lane.WithConn(c.ctx, c.accepted)
	}
	c.response = response{conn: c, header: http.Header{}}
	c.blank = http.Request{
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, RemoteAddr: sniffed.RemoteAddr().String(), TLS: sniffed.TLS(),
	}
	return c
}

// serve serves the connection until it ends, or is handed over.
func (c *conn) serve() {
	defer c.lane.remove(c)
	for again := true; again; {
		switch c.await() {
		case plain:
			again = c.handle()
		case other:
			c.handOver()
			return
		default:
			again = false
		}
	}
	c.close()
}

// settling reports whether the server is stopping.
func (c *conn) settling() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.settleBy.IsZero()
}

// handle serves the request whose head was read. It returns false if the connection is to be closed.
func (c *conn) handle() (again bool) {
	c.accepted.Begin()
	defer c.accepted.End()
	call := c.begin()
	defer c.finish(call)
	r := c.request(call)
	c.unread = c.head.length > 0
	c.response.reset(r.Method)
	c.wasPost = r.Method == http.MethodPost
	if !c.call(r) {
		return false
	}
	again = c.response.finish() && !c.settling()
	if b, ok := r.Body.(*body); ok && !b.isRead() {
		// The caller may want to see the response before it sends the rest.
		if c.out.flush() != nil || !b.discard() {
			return false
		}
	}
	c.unread = c.start < c.end
	return again
}

// begin begins a request.
func (c *conn) begin() *call {
	call := newCall(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.phase, c.waiting = serving, call
	return call
}

// finish ends a request.
func (c *conn) finish(call *call) {
	call.end()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = nil
}

// request returns the request whose head was read.
func (c *conn) request(ctx context.Context) *http.Request {
	h := &c.head
	clear(c.header)
	values := make([]string, len(h.fields))
	for i, f := range h.fields {
		values[i] = f.value
		c.header[f.name] = values[i : i+1 : i+1]
	}
	r := c.blank.WithContext(ctx)
	r.Method, r.RequestURI, r.URL, r.Host, r.Header = h.method, h.target, h.url, h.host, c.header
	r.Body, r.ContentLength = http.NoBody, int64(h.length)
	r.RemoteAddr = c.accepted.Caller(r.RemoteAddr, r.Header.Values)
	if h.length > 0 {
		r.Body = newBody(c, h.length)
	}
	return r
}

// call calls the handler. It returns false if that panics.
func (c *conn) call(r *http.Request) (ok bool) {
	defer func() {
		if cause := recover(); cause != nil {
			ok = false
			if cause != http.ErrAbortHandler {
				c.lane.cfg.Log.Debug("panic serving a request", "panic", cause, "stack", string(debug.Stack()))
			}
		}
	}()
	c.lane.cfg.Handler.ServeHTTP(&c.response, r)
	return true
}

// handOver gives the connection to net/http, with what was read of it and not answered.
func (c *conn) handOver() {
	if c.out.flush() != nil {
		c.close()
		return
	}
	_ = c.sniffed.SetDeadline(time.Time{})
	c.sniffed.Unread(c.buf[c.start:c.end])
	c.lane.cfg.HandOver(c.sniffed)
}

// close closes the connection, after the caller had time to read the last response if it may still be sending.
func (c *conn) close() {
	defer c.sniffed.Close()
	if err := c.out.flush(); err == nil && c.unread {
		c.buf, c.head, c.header, c.response = nil, head{}, nil, response{} // it may take a while
		lane.Linger(c.sniffed.Conn, c.linger())
	}
}

// linger returns the bounds of [lane.Linger].
func (c *conn) linger() lane.Bounds {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.phase = closing
	bounds := c.lane.cfg.Bounds
	if !c.settleBy.IsZero() {
		bounds.UnreadTimeout = bounds.FlushTimeout
	}
	return bounds
}

// raw returns the socket of the connection, or nil.
func (c *conn) raw() syscall.RawConn {
	if c.accepted == nil {
		return nil
	}
	socket, ok := c.accepted.Conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// cut ends the request that is being served, and the connection.
func (c *conn) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting != nil {
		c.waiting.Cancel()
	}
	_ = c.sniffed.Close()
}
