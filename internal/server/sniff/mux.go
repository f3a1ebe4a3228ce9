// Package sniff accepts the connections of a port, completes their TLS handshakes, reads their first bytes, and gives
// each connection to a lane:
//
//   - HTTP/1.1, and what is neither HTTP/1.1 nor HTTP/2, goes to the plain lane if there is one, and else to net/http.
//   - HTTP/2 whose first request is gRPC goes to grpc-go, which is several times faster at gRPC and serves nothing else.
//   - All other HTTP/2 goes to net/http, which serves every kind of request. So do connections of proxies, which may mix
//     requests: those with a header that proxies add, and those from an address that has mixed requests before.
//
// A lane reads the connection from its first byte on. If a connection of grpc-go brings another request after all, that
// request is refused with REFUSED_STREAM, and GOAWAY asks the client to open a new connection. The request was not
// processed, so clients retry it there.
package sniff

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"key-value/internal/server/lane"
)

// acceptBackoff is the longest pause after a failed accept, as when file descriptors have run out.
const acceptBackoff = time.Second

// Lane names a server of connections.
type Lane int

const (
	HTTP      Lane = iota // net/http, which serves everything
	GRPC                  // grpc-go
	Plain                 // plain HTTP/1.1
	laneCount int  = iota
)

// Config configures a Mux.
type Config struct {
	// GRPC reports whether there is a GRPC lane. If there is not, the HTTP lane serves gRPC too.
	GRPC bool
	// Plain reports whether there is a Plain lane. If there is not, the HTTP lane serves all HTTP/1.1.
	Plain bool
	// TLS configures TLS, which is then required. Nil: no TLS.
	TLS *tls.Config
	// Bounds are those of all lanes. Every field must be set.
	Bounds lane.Bounds
	// Log receives failures to accept connections, and failed handshakes. It must be set.
	Log *slog.Logger
}

// Mux gives each connection of a listener to a lane.
type Mux struct {
	cfg        Config
	inner      net.Listener
	lanes      [laneCount]*listener
	mixers     *mixers
	closing    chan struct{} // closed when no further connection is accepted
	close      func()
	unanswered sync.WaitGroup // connections whose first response has not begun

	mu        sync.Mutex
	undecided map[net.Conn]time.Time // :: connection → when it was accepted; guarded by mu
	settleBy  time.Time              // when undecided connections are closed; zero: not yet; guarded by mu
}

// New returns a Mux of inner's connections, for Run to run.
func New(inner net.Listener, cfg Config) *Mux {
	closing := make(chan struct{})
	m := &Mux{
		cfg: cfg, inner: inner, mixers: newMixers(cfg.Bounds),
		closing: closing, close: sync.OnceFunc(func() { close(closing) }),
		undecided: map[net.Conn]time.Time{},
	}
	for i := range m.lanes {
		m.lanes[i] = newListener(inner.Addr())
	}
	return m
}

// Listener returns the listener from which a lane accepts its connections. They are of type *[Conn].
func (m *Mux) Listener(l Lane) net.Listener { return m.lanes[l] }

// Run accepts connections until Close is called, and then returns nil.
func (m *Mux) Run() error {
	pause := time.Duration(0)
	for {
		conn, err := m.inner.Accept()
		switch {
		case err == nil:
			pause = 0
			m.take(conn)
		case m.closed():
			return nil
		case temporary(err):
			pause = min(max(2*pause, 5*time.Millisecond), acceptBackoff)
			m.cfg.Log.Warn("cannot accept connections", "error", err, "pause", pause)
			if !m.sleep(pause) {
				return nil
			}
		default:
			return err
		}
	}
}

// Close stops accepting connections.
func (m *Mux) Close() error {
	m.close()
	return m.inner.Close()
}

// Settle waits, after Run has returned, until every accepted connection has been given to its lane and the response to
// its first request has begun, so that the lanes know of that request when they stop. It waits for at most
// SettleTimeout, or until ctx is done, and then closes connections that are still undecided.
func (m *Mux) Settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, m.cfg.Bounds.SettleTimeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	m.closeUndecided(deadline)
	answered := make(chan struct{})
	go func() { // ends with the last connection
		defer close(answered)
		m.unanswered.Wait()
	}()
	select {
	case <-answered:
	case <-ctx.Done():
		m.closeUndecided(time.Now())
	}
}

// closeUndecided closes connections that are still undecided at t.
func (m *Mux) closeUndecided(t time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settleBy = t
	for conn := range m.undecided {
		_ = conn.SetReadDeadline(t)
	}
}

// closeOldestLocked closes the connection that has been undecided for the longest time.
func (m *Mux) closeOldestLocked() {
	var oldest net.Conn
	for conn, since := range m.undecided {
		if oldest == nil || since.Before(m.undecided[oldest]) {
			oldest = conn
		}
	}
	delete(m.undecided, oldest)
	_ = oldest.SetReadDeadline(time.Unix(1, 0))
}

// setReadDeadline sets the read deadline of an undecided connection, unless an earlier one was set to close it.
func (m *Mux) setReadDeadline(conn net.Conn, t time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.undecided[conn]; !ok {
		return
	}
	if m.settleBy.IsZero() || t.Before(m.settleBy) {
		_ = conn.SetReadDeadline(t)
	}
}

func (m *Mux) closed() bool {
	select {
	case <-m.closing:
		return true
	default:
		return false
	}
}

// sleep sleeps for d, or returns false when Close is called.
func (m *Mux) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-m.closing:
		return false
	}
}

// temporary reports whether accepting may soon work again. The method is deprecated because its meaning is unclear in
// general; net/http and grpc-go rely on it for Accept too.
func temporary(err error) bool {
	t, ok := errors.AsType[interface {
		error
		Temporary() bool
	}](err)
	return ok && t.Temporary()
}

// take starts to decide on conn, without holding up the accept loop.
func (m *Mux) take(conn net.Conn) {
	if m.cfg.TLS != nil {
		conn = tls.Server(conn, m.cfg.TLS) // the handshake comes later
	}
	m.mu.Lock()
	if len(m.undecided) >= m.cfg.Bounds.Undecided {
		m.closeOldestLocked()
	}
	m.undecided[conn] = time.Now()
	m.mu.Unlock()
	m.unanswered.Add(1)
	go m.decide(conn)
}

// decide does the handshake, reads the first bytes, and delivers the connection to its lane.
func (m *Mux) decide(conn net.Conn) {
	answered := sync.OnceFunc(m.unanswered.Done)
	s := &sniffer{conn: conn, bounds: m.cfg.Bounds, grpc: m.cfg.GRPC, setReadDeadline: m.setReadDeadline}
	found, err := undecided, m.handshake(conn)
	if err == nil {
		s.started = time.Now()
		found, err = s.sniff()
	}
	m.mu.Lock()
	delete(m.undecided, conn)
	m.mu.Unlock()
	if err != nil {
		answered()
		_ = conn.Close()
		return
	}
	_ = conn.SetReadDeadline(time.Time{})
	if found == grpc && m.mixers.has(addrOf(conn)) {
		found = http2
	}
	m.Deliver(m.laneOf(found), s.result(found, answered, m.mixers))
}

// laneOf returns the lane that serves a protocol.
func (m *Mux) laneOf(found protocol) Lane {
	switch {
	case found == grpc:
		return GRPC
	case found == http1 && m.cfg.Plain:
		return Plain
	}
	return HTTP
}

// Deliver gives a connection to a lane: one that was accepted, or one that another lane hands over.
func (m *Mux) Deliver(to Lane, conn *Conn) { m.lanes[to].deliver(conn) }
