package lane

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Conn is an accepted connection, with what the table of connections has to know to choose one that gives way.
type Conn struct {
	net.Conn
	onClose func()
	closing sync.Once
	err     error

	requests atomic.Int64 // in flight
	used     atomic.Int64 // when the last request ended, or the connection was accepted, in nanoseconds of Unix time
	known    atomic.Bool  // whether a caller has authenticated
}

// NewConn returns conn, which calls onClose once it is closed.
func NewConn(conn net.Conn, onClose func()) *Conn {
	c := &Conn{Conn: conn, onClose: onClose}
	c.used.Store(time.Now().UnixNano())
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

// Begin reports that a request has begun. C may be nil.
func (c *Conn) Begin() {
	if c != nil {
		c.requests.Add(1)
	}
}

// End reports that a request has ended. C may be nil.
func (c *Conn) End() {
	if c != nil && c.requests.Add(-1) == 0 {
		c.used.Store(time.Now().UnixNano())
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
	return nil
}

type connKey struct{}

// WithConn returns ctx for the requests of an HTTP/1.1 connection. Those of HTTP/2 have the *Streams.
func WithConn(ctx context.Context, c *Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}
