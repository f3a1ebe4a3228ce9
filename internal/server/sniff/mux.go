// Package sniff serves one port by two servers: connections that a gRPC client opened by grpc-go, which is
// several times faster at gRPC, and all others by net/http, which can serve everything.
//
// A connection is given away as soon as its first request shows what it is for, with every byte that was
// read of it. Whatever is not plainly gRPC goes to net/http: what is broken, what is slow, and what a proxy
// sends, since a proxy may mix all kinds of requests on one connection. If another kind of request comes on a
// connection that grpc-go has, it is refused in HTTP/2's own way (RST_STREAM with REFUSED_STREAM), and the
// client is asked to open a new connection (GOAWAY): there it sends the request again, and none is lost or
// done twice.
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

// acceptBackoff is the longest pause after a connection could not be accepted, as when there are no file
// descriptors left.
const acceptBackoff = time.Second

// Lane names a server of connections.
type Lane int

const (
	HTTP  Lane = iota // net/http, which serves everything
	GRPC              // grpc-go
	lanes int  = iota
)

// Config says how connections are sorted.
type Config struct {
	// GRPC is whether there is a server for gRPC connections. False: net/http gets them too.
	GRPC bool
	// TLS is how TLS is spoken. Nil: it is not.
	TLS *tls.Config
	// Bounds are those of all lanes, with a value in every field.
	Bounds lane.Bounds
	// Log is told when connections cannot be accepted, and of handshakes that failed. It must be set.
	Log *slog.Logger
}

// Mux sorts the connections of a listener.
type Mux struct {
	cfg        Config
	inner      net.Listener
	lanes      [lanes]*listener
	closing    chan struct{} // closed when no further connection is accepted
	close      func()
	unanswered sync.WaitGroup // connections whose first answer has not begun

	mu        sync.Mutex
	undecided map[net.Conn]struct{} // guarded by mu
	settleBy  time.Time             // when undecided connections are given up; zero: not yet; guarded by mu
}

// New returns a mux of inner's connections. Run runs it.
func New(inner net.Listener, cfg Config) *Mux {
	closing := make(chan struct{})
	m := &Mux{
		cfg: cfg, inner: inner,
		closing: closing, close: sync.OnceFunc(func() { close(closing) }),
		undecided: map[net.Conn]struct{}{},
	}
	for i := range m.lanes {
		m.lanes[i] = newListener(inner.Addr())
	}
	return m
}

// Listener is where a lane accepts its connections. They are of type *[Conn] unless their first bytes were not looked
// at.
func (m *Mux) Listener(l Lane) net.Listener { return m.lanes[l] }

// Run accepts connections until Close is called, and then returns nil.
func (m *Mux) Run() error {
	pause := time.Duration(0)
	for {
		conn, err := m.inner.Accept()
		switch {
		case err == nil:
			pause = 0
			m.sort(conn)
		case m.closed():
			return nil
		case temporary(err):
			pause = min(max(2*pause, 5*time.Millisecond), acceptBackoff)
			m.cfg.Log.Warn("no connection can be accepted", "error", err, "pause", pause)
			if !m.sleep(pause) {
				return nil
			}
		default:
			return err
		}
	}
}

// Close accepts no further connection.
func (m *Mux) Close() error {
	m.close()
	return m.inner.Close()
}

// Settle waits, after Run has returned, until the first request of each connection that was accepted is with
// its server and the answer has begun, so that the servers know of it when they are stopped. It takes no more
// than a second, and ends when ctx is done.
func (m *Mux) Settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, m.cfg.Bounds.SettleTimeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	m.giveUp(deadline)
	answered := make(chan struct{})
	go func() { // ends when the connections are closed, if not before
		defer close(answered)
		m.unanswered.Wait()
	}()
	select {
	case <-answered:
	case <-ctx.Done():
		m.giveUp(time.Now())
	}
}

// giveUp closes connections that are still undecided at t.
func (m *Mux) giveUp(t time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settleBy = t
	for conn := range m.undecided {
		_ = conn.SetReadDeadline(t)
	}
}

// setReadDeadline sets the deadline of an undecided connection, unless Settle has set one.
func (m *Mux) setReadDeadline(conn net.Conn, t time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
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

// sleep reports whether it slept for d, rather than being woken by Close.
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

// temporary reports whether accepting may work again soon. The method is deprecated for want of a clear
// meaning in general; for Accept, net/http and grpc-go rely on it as well.
func temporary(err error) bool {
	t, ok := errors.AsType[interface {
		error
		Temporary() bool
	}](err)
	return ok && t.Temporary()
}

// sort finds out, beside the accept loop, who serves conn.
func (m *Mux) sort(conn net.Conn) {
	if m.cfg.TLS != nil {
		conn = tls.Server(conn, m.cfg.TLS) // does not do the handshake yet
	}
	m.mu.Lock()
	full := len(m.undecided) >= m.cfg.Bounds.Undecided
	if !full {
		m.undecided[conn] = struct{}{}
	}
	m.mu.Unlock()
	if full {
		// net/http waits for its own goroutines alone, so that this loop is not held up.
		m.lanes[HTTP].deliver(conn)
		return
	}
	m.unanswered.Add(1)
	go m.decide(conn)
}

func (m *Mux) decide(conn net.Conn) {
	p := &peeker{conn: conn, cfg: m.cfg, setDeadline: m.setReadDeadline}
	kind, err := undecided, m.handshake(conn)
	if err == nil {
		p.started = time.Now()
		kind, err = p.peek()
	}
	m.mu.Lock()
	delete(m.undecided, conn)
	m.mu.Unlock()
	answered := sync.OnceFunc(m.unanswered.Done)
	if err != nil {
		answered()
		_ = conn.Close()
		return
	}
	_ = conn.SetReadDeadline(time.Time{})
	to := HTTP
	if kind == grpcRequest {
		to = GRPC
	}
	m.lanes[to].deliver(p.decided(kind, answered))
}
