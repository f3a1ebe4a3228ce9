package client_test

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// proxy forwards TCP connections, and cuts them.
type proxy struct {
	URL      string
	listener net.Listener
	copiers  sync.WaitGroup

	mu     sync.Mutex
	target string                // host:port; guarded by mu
	budget func() int64          // bytes that a new connection may receive from the service; guarded by mu
	conns  map[net.Conn]struct{} // both ends of the open connections; guarded by mu
	cuts   int                   // connections that used up their budget; guarded by mu
}

// unlimited is the budget of connections that are never cut.
func unlimited() int64 { return 1 << 62 }

// newProxy forwards to the service at url. Each new connection is cut after the number of bytes that budget returns.
func newProxy(t *testing.T, url string, budget func() int64) *proxy {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{
		URL: "http://" + listener.Addr().String(), listener: listener,
		target: strings.TrimPrefix(url, "http://"), budget: budget, conns: map[net.Conn]struct{}{},
	}
	p.copiers.Go(p.accept)
	t.Cleanup(func() {
		listener.Close()
		p.cut()
		p.copiers.Wait()
	})
	return p
}

// point forwards new connections to url, and cuts the open ones.
func (p *proxy) point(url string) {
	p.mu.Lock()
	p.target = strings.TrimPrefix(url, "http://")
	p.mu.Unlock()
	p.cut()
}

// cut cuts all open connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		conn.Close()
	}
}

// count returns how many connections used up their budget.
func (p *proxy) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts
}

func (p *proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.copiers.Go(func() { p.serve(conn.(*net.TCPConn)) })
	}
}

// serve forwards one connection. Every second one that is cut is reset instead of closed.
func (p *proxy) serve(front *net.TCPConn) {
	p.mu.Lock()
	target, budget := p.target, p.budget()
	p.mu.Unlock()
	back, err := net.Dial("tcp", target)
	if err != nil {
		front.Close()
		return
	}
	p.track(front, back)
	defer p.untrack(front, back)
	p.copiers.Go(func() {
		_, _ = io.Copy(back, front)
		back.Close()
	})
	if n, _ := io.CopyN(front, back, budget); n < budget {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cuts++; p.cuts%2 == 0 {
		_ = front.SetLinger(0)
	}
}

func (p *proxy) track(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		p.conns[conn] = struct{}{}
	}
}

func (p *proxy) untrack(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		delete(p.conns, conn)
		conn.Close()
	}
}
