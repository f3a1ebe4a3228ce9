// Package plainlane is the lane of plain HTTP/1.1 requests: those that it can prove to read exactly as net/http would
// ([http.ReadRequest]). It serves them with fewer system calls, goroutines and allocations than net/http, by the same
// [http.Handler], and hands the connection over to net/http, with every byte that it has not answered, as soon as a
// request is anything else. A connection does not come back.
//
// Handlers must not use a request or its response writer after they return, as always; here both are used again. They may
// keep contexts and the values of headers.
package plainlane

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"key-value/internal/server/lane"
	"key-value/internal/server/sniff"
)

// Config configures a Lane.
type Config struct {
	// Handler answers the requests.
	Handler http.Handler
	// Bounds are those of all lanes. Every field must be set.
	Bounds lane.Bounds
	// Running reports whether the server wants further requests. Once it does not, a connection is closed after its next
	// response.
	Running func() bool
	// HandOver takes a connection whose next request is not plain.
	HandOver func(*sniff.Conn)
	// Log receives panics, at level debug.
	Log *slog.Logger
}

// Lane serves connections until their first request that is not plain.
type Lane struct {
	cfg     Config
	read    func(*head, []byte) (int, verdict) // (*head).read; tests show that they notice a wrong one
	clock   clock
	watcher watcher
	buffers sync.Pool // of *[]byte, for output

	mu       sync.Mutex
	listener net.Listener       // nil: not serving; guarded by mu
	conns    map[*conn]struct{} // guarded by mu
	stopping bool               // guarded by mu
	empty    chan struct{}      // closed when stopping and there are no connections
}

// New returns a Lane.
func New(cfg Config) *Lane {
	l := &Lane{cfg: cfg, read: (*head).read, conns: map[*conn]struct{}{}, empty: make(chan struct{})}
	l.buffers.New = func() any { return new([]byte) }
	return l
}

// Serve serves the connections of a listener, which are of type *[sniff.Conn], until Stop is called.
func (l *Lane) Serve(listener net.Listener) error {
	if !l.listen(listener) {
		return http.ErrServerClosed
	}
	for {
		accepted, err := listener.Accept()
		if err != nil {
			return http.ErrServerClosed // the listener of a lane fails when it is closed
		}
		c := newConn(l, accepted.(*sniff.Conn))
		if !l.add(c) {
			_ = accepted.Close()
			continue
		}
		go c.serve()
	}
}

// listen sets the listener, unless the lane is stopping.
func (l *Lane) listen(listener net.Listener) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.listener = listener
	return !l.stopping
}

// add adds c, unless the lane is stopping.
func (l *Lane) add(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopping {
		return false
	}
	l.conns[c] = struct{}{}
	return true
}

func (l *Lane) remove(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
	if l.stopping && len(l.conns) == 0 {
		close(l.empty)
	}
}

// all returns the open connections.
func (l *Lane) all() []*conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	conns := make([]*conn, 0, len(l.conns))
	for c := range l.conns {
		conns = append(conns, c)
	}
	return conns
}

// Settle closes idle connections, and gives those that have sent a part of a request up to SettleTimeout to send the rest
// of its head. When it returns no further connection is handed over. Nothing may be accepted any more.
func (l *Lane) Settle(ctx context.Context) {
	l.mu.Lock()
	l.stopping = true
	if l.listener != nil {
		_ = l.listener.Close()
	}
	if len(l.conns) == 0 {
		close(l.empty)
	}
	l.mu.Unlock()
	by := time.Now().Add(l.cfg.Bounds.SettleTimeout)
	ctx, cancel := context.WithDeadline(ctx, by)
	defer cancel()
	for _, c := range l.all() {
		c.settle(by)
	}
	poll := time.NewTicker(settlePoll)
	defer poll.Stop()
	for slices.ContainsFunc(l.all(), func(c *conn) bool { return !c.settled() }) {
		select {
		case <-poll.C:
		case <-ctx.Done():
			return
		}
	}
}

// settlePoll is how often Settle looks at the connections.
const settlePoll = time.Millisecond

// Stop waits until calls are done, or cuts them off when ctx is. Settle must have been called.
func (l *Lane) Stop(ctx context.Context) error {
	defer l.watcher.close()
	select {
	case <-l.empty:
		return nil
	case <-ctx.Done():
	}
	for _, c := range l.all() {
		c.cut()
	}
	<-l.empty
	return ctx.Err()
}
