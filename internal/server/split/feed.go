package split

import (
	"net"
	"sync"
)

// feed is a listener whose connections come from the splitter.
type feed struct {
	addr   net.Addr
	conns  chan net.Conn
	closed chan struct{}
	close  func()
}

func newFeed(addr net.Addr) *feed {
	closed := make(chan struct{})
	return &feed{
		addr: addr, conns: make(chan net.Conn),
		closed: closed, close: sync.OnceFunc(func() { close(closed) }),
	}
}

// offer gives conn to the server behind f, or closes it if that has stopped.
func (f *feed) offer(conn net.Conn) {
	select {
	case f.conns <- conn:
	case <-f.closed:
		_ = conn.Close()
	}
}

func (f *feed) Accept() (net.Conn, error) {
	select {
	case conn := <-f.conns:
		return conn, nil
	case <-f.closed:
		return nil, net.ErrClosed
	}
}

func (f *feed) Close() error {
	f.close()
	return nil
}

func (f *feed) Addr() net.Addr { return f.addr }
