package lane

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"key-value/internal/server/forwarded"
)

// Conn is an accepted connection, with what the table of connections has to know to choose one that gives way.
type Conn struct {
	net.Conn
	proxies forwarded.Proxies // those that the peer is one of; nil: it is not a trusted proxy
	onClose func()
	closing sync.Once
	err     error

	requests atomic.Int64 // in flight
	used     atomic.Int64 // when the last request ended, or the connection was accepted, as Now returns it
	known    atomic.Bool  // whether a caller has authenticated
}

// NewConn returns conn, which calls onClose once it is closed. Its peer may be one of the trusted proxies.
func NewConn(conn net.Conn, proxies forwarded.Proxies, onClose func()) *Conn {
	c := &Conn{Conn: conn, onClose: onClose}
	if proxies.TrustPeer(conn.RemoteAddr()) {
		c.proxies = proxies
	}
	c.used.Store(Now())
	return c
}

// ConnOf returns the accepted connection beneath conn, or nil.
func ConnOf(conn net.Conn) *Conn {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	c, _ := conn.(*Conn)
	return c
}

// Proxied reports whether the peer is a trusted proxy, so that the connection is shared by its callers. C may be nil.
func (c *Conn) Proxied() bool { return c != nil && c.proxies != nil }

// Caller returns the address of the caller of a request. It is peer, the connection's own as host:port, unless a trusted
// proxy reports another, which has no port. Values returns the values of a header of the request. C may be nil.
func (c *Conn) Caller(peer string, values func(header string) []string) string {
	if c.Proxied() {
		if caller, ok := c.proxies.Caller(values); ok {
			return caller
		}
	}
	return peer
}

// Begin reports that a request has begun. C may be nil.
func (c *Conn) Begin() {
	if c != nil {
		c.requests.Add(1)
	}
}

// End reports that a request has ended. C may be nil.
func (c *Conn) End() {
	if c != nil && c.requests.Add(-1) == 0 {
		c.used.Store(Now())
	}
}

// Idle reports whether no request is in flight, and when the last one ended.
func (c *Conn) Idle() (idle bool, since int64) { return c.requests.Load() == 0, c.used.Load() }

// Known reports whether a caller has authenticated.
func (c *Conn) Known() bool { return c.known.Load() }

// admit makes the caller known. C may be nil.
func (c *Conn) admit() {
	if c != nil && !c.known.Load() {
		c.known.Store(true)
	}
}

// Close implements [net.Conn].
func (c *Conn) Close() error {
	c.closing.Do(func() {
		c.err = c.Conn.Close()
		c.onClose()
	})
	return c.err
}

// CloseWrite lets a server close a connection in a way that the client can still read the last response.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Linger precedes the closing of a connection after a response whose request was not read to its end. Bytes that were
// not read, or arrive later, would reset the connection, and a client that still sends would lose the response (RFC
// 9112, section 9.6). So Linger ends the writing side, and reads until the client closes its own, within UnreadBytes and
// UnreadTimeout.
func Linger(conn net.Conn, bounds Bounds) {
	raw := conn
	if secure, ok := conn.(*tls.Conn); ok {
		_ = secure.CloseWrite() // has a time limit of its own
		raw = secure.NetConn()
	}
	half, ok := raw.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	_ = raw.SetReadDeadline(time.Now().Add(bounds.UnreadTimeout))
	buffer := make([]byte, lingerBytes)
	for left := bounds.UnreadBytes; left > 0; {
		n, err := raw.Read(buffer)
		if err != nil {
			return
		}
		left -= n
	}
}

// lingerBytes is how much Linger reads at once. It is what a connection keeps meanwhile, so it is small.
const lingerBytes = 2 << 10

type connKey struct{}

// WithConn returns ctx for the requests of an HTTP/1.1 connection. Those of HTTP/2 have the *Streams.
func WithConn(ctx context.Context, c *Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}
