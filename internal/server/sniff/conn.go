package sniff

import (
	"crypto/tls"
	"net"
	"slices"
	"sync"

	"key-value/internal/server/h2"
)

// Conn is a connection that was given to a lane. It reads as if nothing had been read of it before; a lane that
// filters HTTP/2 frames reads the bytes in HTTP2 instead, and then the embedded connection.
type Conn struct {
	// Conn is the accepted connection, or the TLS connection on it.
	net.Conn
	// HTTP2 is what is known of an HTTP/2 connection. Nil: it is not HTTP/2.
	HTTP2 *HTTP2

	replay   []byte // bytes of a connection without HTTP2 that are to be read again
	answered func()
	mixers   *mixers
	onMixed  func() // guarded by mixers.mu
	closed   bool   // guarded by mixers.mu
}

// HTTP2 is what was found out about an HTTP/2 connection.
type HTTP2 struct {
	Buffer []byte // bytes that the lane has to read again
	Judged int    // how many of them belong to frames that need no further look
	// AckPending reports whether the client has yet to acknowledge the SETTINGS that were sent before the lane's own.
	AckPending bool
	// Request has decoded the first request of a gRPC connection, and Stream is that request's stream.
	Request *h2.RequestDecoder
	Stream  uint32
}

// Answered tells the Mux that the response to the first request has begun. A lane calls it once or more; writing to
// the Conn, or closing it, does so too.
func (c *Conn) Answered() {
	if c.answered != nil {
		c.answered()
	}
}

// TLS returns the state of a TLS connection, or nil. Servers look for a [tls.Conn], which a lane does not give them.
func (c *Conn) TLS() *tls.ConnectionState {
	secure, ok := c.Conn.(*tls.Conn)
	if !ok {
		return nil
	}
	state := secure.ConnectionState()
	return &state
}

// Read implements [net.Conn].
func (c *Conn) Read(p []byte) (int, error) {
	if len(c.replay) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.replay)
	if c.replay = c.replay[n:]; len(c.replay) == 0 {
		c.replay = nil
	}
	return n, nil
}

// Unread has p read again, before what is read next.
func (c *Conn) Unread(p []byte) { c.replay = append(slices.Clone(p), c.replay...) }

// Write implements [net.Conn].
func (c *Conn) Write(p []byte) (int, error) {
	c.Answered()
	return c.Conn.Write(p)
}

// Close implements [net.Conn].
func (c *Conn) Close() error {
	c.Answered()
	if c.mixers != nil {
		c.mixers.unregister(c)
	}
	return c.Conn.Close()
}

// CloseWrite lets net/http close a connection in a way that the client can still read the last response.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// listener is a [net.Listener] whose connections a Mux delivers.
type listener struct {
	addr   net.Addr
	conns  chan net.Conn
	closed chan struct{}
	close  func()
}

func newListener(addr net.Addr) *listener {
	closed := make(chan struct{})
	return &listener{
		addr: addr, conns: make(chan net.Conn),
		closed: closed, close: sync.OnceFunc(func() { close(closed) }),
	}
}

// deliver waits until the lane accepts conn, or closes conn if the lane has stopped.
func (l *listener) deliver(conn net.Conn) {
	select {
	case l.conns <- conn:
	case <-l.closed:
		_ = conn.Close()
	}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.close()
	return nil
}

func (l *listener) Addr() net.Addr { return l.addr }
