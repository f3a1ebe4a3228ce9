package sniff

import (
	"net"
	"sync"
)

// listener is a listener whose connections come from the mux.
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

// deliver gives conn to the server behind l, or closes it if that has stopped.
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
