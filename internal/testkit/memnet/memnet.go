// Package memnet connects clients and servers of one process without a network. It works within a bubble of package
// testing/synctest too, which cannot wait for a network.
package memnet

import (
	"context"
	"net"
)

// Listener is a [net.Listener] of connections in memory. Create one with [New].
type Listener struct {
	conns  chan net.Conn
	closed context.Context
	close  context.CancelFunc
}

// New returns a listener. Within a bubble, it belongs to that.
func New() *Listener {
	l := &Listener{conns: make(chan net.Conn)}
	l.closed, l.close = context.WithCancel(context.Background())
	return l
}

// Dial connects to the listener, whatever the network and the address. It waits until the connection is accepted, and fails
// with [net.ErrClosed] once the listener is closed, or with the error of ctx.
func (l *Listener) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case l.conns <- there:
		return here, nil
	case <-l.closed.Done():
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements [net.Listener].
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed.Done():
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (l *Listener) Close() error {
	l.close()
	return nil
}

// Addr implements [net.Listener].
func (l *Listener) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }
