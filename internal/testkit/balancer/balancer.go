// Package balancer is a small load balancer for tests and for running a cluster on one machine. It balances
// connections, not requests, so any protocol works: HTTP/1.1, HTTP/2 with prior knowledge, gRPC, TLS.
package balancer

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// probeEvery is the interval between readiness probes of a backend, and probeTimeout is the limit of each.
	probeEvery   = 50 * time.Millisecond
	probeTimeout = 250 * time.Millisecond
)

// Backend is a server that receives connections.
type Backend struct {
	// Addr is the server's host:port.
	Addr string
	// Probe is the URL that answers 200 while the server is ready.
	Probe string

	ready atomic.Bool
}

// Balancer forwards each connection to the next backend that is ready. If none is ready, it tries them all.
type Balancer struct {
	listener net.Listener
	backends []*Backend
	turn     atomic.Uint64
	stop     context.CancelFunc
	done     sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]struct{} // guarded by mu
	closed bool                  // guarded by mu
}

// New listens on addr and forwards connections until Close is called.
func New(addr string, backends ...*Backend) (*Balancer, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	b := &Balancer{listener: listener, backends: backends, stop: stop, conns: map[net.Conn]struct{}{}}
	for _, back := range backends {
		b.done.Go(func() { back.watch(ctx) })
	}
	b.done.Go(b.run)
	return b, nil
}

// Addr returns the address on which the balancer listens.
func (b *Balancer) Addr() string { return b.listener.Addr().String() }

// Close ends all connections and waits for them.
func (b *Balancer) Close() {
	b.stop()
	b.listener.Close()
	b.mu.Lock()
	b.closed = true
	for conn := range b.conns {
		conn.Close()
	}
	b.mu.Unlock()
	b.done.Wait()
}

// Ready reports whether the last probe found the backend ready.
func (back *Backend) Ready() bool { return back.ready.Load() }

// watch probes the backend until ctx is done, each time on a new connection.
func (back *Backend) watch(ctx context.Context) {
	client := &http.Client{Timeout: probeTimeout, Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		res, err := client.Get(back.Probe)
		if err == nil {
			res.Body.Close()
		}
		back.ready.Store(err == nil && res.StatusCode == http.StatusOK)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (b *Balancer) run() {
	for {
		front, err := b.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			b.done.Go(func() { b.serve(front) })
		}
	}
}

// serve forwards one connection.
func (b *Balancer) serve(front net.Conn) {
	defer front.Close()
	back, err := b.dial()
	if err != nil {
		return
	}
	defer back.Close()
	if !b.track(front, back) {
		return
	}
	defer b.drop(front, back)
	var both sync.WaitGroup
	both.Go(func() { pass(front, back) })
	both.Go(func() { pass(back, front) })
	both.Wait()
}

// track registers conn for Close. It returns false if Close has been called.
func (b *Balancer) track(conns ...net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, conn := range conns {
		b.conns[conn] = struct{}{}
	}
	return !b.closed
}

func (b *Balancer) drop(conns ...net.Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, conn := range conns {
		delete(b.conns, conn)
	}
}

// pass copies one direction, and forwards its end: a FIN as a FIN, a reset as a reset of both connections. If to takes no
// more, pass only returns: the other direction still has to deliver what to sent before.
func pass(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			_ = to.(*net.TCPConn).CloseWrite()
			return
		case err != nil:
			for _, conn := range []net.Conn{to, from} {
				_ = conn.(*net.TCPConn).SetLinger(0)
				conn.Close()
			}
			return
		}
	}
}

// dial connects to the next backend that is ready, or to any that accepts the connection.
func (b *Balancer) dial() (net.Conn, error) {
	first, errs := b.turn.Add(1), []error(nil)
	for _, ready := range []bool{true, false} {
		for i := range b.backends {
			back := b.backends[(int(first)+i)%len(b.backends)]
			if back.Ready() != ready {
				continue
			}
			conn, err := net.DialTimeout("tcp", back.Addr, probeTimeout)
			if err == nil {
				return conn, nil
			}
			errs = append(errs, err)
		}
	}
	return nil, errors.Join(errs...)
}
