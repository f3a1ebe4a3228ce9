// Package balancer is a small load balancer for tests and for trying things out on one machine. It knows of connections and
// not of requests, so everything passes: HTTP/1.1, HTTP/2 with prior knowledge, gRPC, TLS.
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
	// probeEvery is how often a backend is asked whether it is ready, and probeTimeout how long that may take.
	probeEvery   = 50 * time.Millisecond
	probeTimeout = 250 * time.Millisecond
)

// Backend is where connections may go.
type Backend struct {
	// Addr is host:port of where they go.
	Addr string
	// Probe is the URL that answers 200 while any may be sent.
	Probe string

	ready atomic.Bool
}

// Balancer passes connections on to the backends that are ready, in turn. If none is ready, any will do.
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

// New listens on addr, and passes what comes there on until Close.
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

// Addr returns where the balancer listens.
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

// Ready reports whether the backend is ready, as far as the balancer knows.
func (back *Backend) Ready() bool { return back.ready.Load() }

// watch asks the backend whether it is ready, each time on a new connection, until ctx is done.
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

// serve passes one connection on.
func (b *Balancer) serve(front net.Conn) {
	defer front.Close()
	back, err := b.dial()
	if err != nil {
		return
	}
	defer back.Close()
	if !b.keep(front, back) {
		return
	}
	defer b.drop(front, back)
	var both sync.WaitGroup
	both.Go(func() { pass(front, back) })
	both.Go(func() { pass(back, front) })
	both.Wait()
}

// keep has Close end the connections, and reports false if it was called before.
func (b *Balancer) keep(conns ...net.Conn) bool {
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

// pass copies one direction, and passes on how it ends: by a FIN, or else by a reset of both.
func pass(to, from net.Conn) {
	if _, err := io.Copy(to, from); err != nil {
		for _, conn := range []net.Conn{to, from} {
			_ = conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
		}
		return
	}
	_ = to.(*net.TCPConn).CloseWrite()
}

// dial connects to the next backend that is ready, or to any that takes the connection.
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
