// Package cutproxy forwards TCP connections in a test, and cuts them.
package cutproxy

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// Proxy forwards TCP connections, and cuts them.
type Proxy struct {
	URL      string // what clients connect to
	listener net.Listener
	copiers  sync.WaitGroup

	mu     sync.Mutex
	target string                // host:port; guarded by mu
	budget func() int64          // bytes that a new connection may receive from the service; guarded by mu
	conns  map[net.Conn]struct{} // both ends of the open connections; guarded by mu
	cuts   int                   // connections that used up their budget; guarded by mu
}

// Unlimited is the budget of connections that are never cut.
func Unlimited() int64 { return 1 << 62 }

// New forwards to the service at url until the test ends. Each new connection is cut after the number of bytes that budget
// returns.
func New(t testing.TB, url string, budget func() int64) *Proxy {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{
		URL: "http://" + listener.Addr().String(), listener: listener,
		target: strings.TrimPrefix(url, "http://"), budget: budget, conns: map[net.Conn]struct{}{},
	}
	p.copiers.Go(p.accept)
	t.Cleanup(func() {
		listener.Close()
		p.Cut()
		p.copiers.Wait()
	})
	return p
}

// Point forwards new connections to url, and cuts the open ones.
func (p *Proxy) Point(url string) {
	p.mu.Lock()
	p.target = strings.TrimPrefix(url, "http://")
	p.mu.Unlock()
	p.Cut()
}

// Cut cuts all open connections.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		conn.Close()
	}
}

// Count returns how many connections used up their budget.
func (p *Proxy) Count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts
}

func (p *Proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.copiers.Go(func() { p.serve(conn.(*net.TCPConn)) })
	}
}

// serve forwards one connection. Every second one that is cut is reset instead of closed.
func (p *Proxy) serve(front *net.TCPConn) {
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

func (p *Proxy) track(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		p.conns[conn] = struct{}{}
	}
}

func (p *Proxy) untrack(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		delete(p.conns, conn)
		conn.Close()
	}
}
