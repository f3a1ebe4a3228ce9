package main

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

// balancer passes connections on to the backends that are ready, in turn, as load balancers do that know of
// connections and not of requests. If none is ready, any will do.
type balancer struct {
	listener net.Listener
	backends []*backend
	turn     atomic.Uint64
	stop     context.CancelFunc
	done     sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]struct{} // guarded by mu
}

// backend is where connections may go.
type backend struct {
	addr  string // where connections go
	probe string // the URL that tells whether to send any
	ready atomic.Bool
}

func newBalancer(backends ...*backend) (*balancer, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	b := &balancer{listener: listener, backends: backends, stop: stop, conns: map[net.Conn]struct{}{}}
	for _, back := range backends {
		b.done.Go(func() { back.watch(ctx) })
	}
	b.done.Go(b.run)
	return b, nil
}

func (b *balancer) url() string { return "http://" + b.listener.Addr().String() }

// close ends all connections and waits for them.
func (b *balancer) close() {
	b.stop()
	b.listener.Close()
	b.mu.Lock()
	for conn := range b.conns {
		conn.Close()
	}
	b.mu.Unlock()
	b.done.Wait()
}

// watch asks the backend whether it is ready, each time on a new connection, until ctx is done.
func (back *backend) watch(ctx context.Context) {
	client := &http.Client{Timeout: probeTimeout, Transport: &http.Transport{DisableKeepAlives: true}}
	for ctx.Err() == nil {
		res, err := client.Get(back.probe)
		if err == nil {
			res.Body.Close()
		}
		back.ready.Store(err == nil && res.StatusCode == http.StatusOK)
		pause(ctx, probeEvery)
	}
}

func (b *balancer) run() {
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
func (b *balancer) serve(front net.Conn) {
	back, err := b.dial()
	if err != nil {
		front.Close()
		return
	}
	b.mu.Lock()
	b.conns[front], b.conns[back] = struct{}{}, struct{}{}
	b.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { pass(front, back) })
	both.Go(func() { pass(back, front) })
	both.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, conn := range []net.Conn{front, back} {
		conn.Close()
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
func (b *balancer) dial() (net.Conn, error) {
	first, errs := b.turn.Add(1), []error(nil)
	for _, ready := range []bool{true, false} {
		for i := range b.backends {
			back := b.backends[(int(first)+i)%len(b.backends)]
			if back.ready.Load() != ready {
				continue
			}
			conn, err := net.DialTimeout("tcp", back.addr, probeTimeout)
			if err == nil {
				return conn, nil
			}
			errs = append(errs, err)
		}
	}
	return nil, errors.Join(errs...)
}

// pause waits for d, or until ctx is done.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
