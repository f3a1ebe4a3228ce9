// Package split serves one port by two servers: connections that a gRPC client opened by grpc-go, which is
// several times faster at gRPC, and all others by net/http, which can serve everything.
//
// A connection is given away as soon as its first request shows what it is for, with every byte that was
// read of it. Whatever is not plainly gRPC goes to net/http: what is broken, what is slow, and what a proxy
// sends, since a proxy may mix all kinds of requests on one connection. If another kind of request comes on a
// connection that grpc-go has, it is refused in HTTP/2's own way (RST_STREAM with REFUSED_STREAM), and the
// client is asked to open a new connection (GOAWAY): there it sends the request again, and none is lost or
// done twice.
package split

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"
)

const (
	// undecidedMax is how many connections may wait for their first request. Further ones go to net/http
	// unseen.
	undecidedMax = 1024
	// settleTime is how long the first request of a connection may take to come, and its answer to begin, once
	// no further connection is accepted.
	settleTime = time.Second
	// acceptBackoff is the longest pause after a connection could not be accepted, as when there are no file
	// descriptors left.
	acceptBackoff = time.Second
)

// Config holds the bounds of connections that are not decided yet, and what both servers have in common.
type Config struct {
	// Procedures are the paths of all RPCs. Nil: there is no server for gRPC connections, and all are HTTP.
	Procedures map[string]bool
	// TLS is how TLS is spoken. Nil: it is not.
	TLS *tls.Config
	// HeaderTimeout is how long a first request may take to come once it has begun, and a TLS handshake before it.
	HeaderTimeout time.Duration
	// IdleTimeout is how long an HTTP/2 connection may wait with its first request.
	IdleTimeout time.Duration
	// WriteTimeout is how long a peer may leave one write waiting.
	WriteTimeout time.Duration
	// MaxHeaderBytes and MaxStreams are what HTTP/2 clients are told about header lists and open streams.
	MaxHeaderBytes, MaxStreams uint32
	// Log is told when connections cannot be accepted, and of handshakes that failed. It must be set.
	Log *slog.Logger
}

// Splitter sorts the connections of a listener.
type Splitter struct {
	cfg        Config
	inner      net.Listener
	http, grpc *feed
	closing    chan struct{} // closed when no further connection is accepted
	close      func()
	unanswered tally // connections whose first answer has not begun
	flushing   tally // connections of net/http whose last bytes may still be on their way

	mu        sync.Mutex
	undecided map[net.Conn]struct{} // guarded by mu
	settleBy  time.Time             // when undecided connections are given up; zero: not yet; guarded by mu
}

// New returns a splitter of inner's connections. Run runs it.
func New(inner net.Listener, cfg Config) *Splitter {
	closing := make(chan struct{})
	return &Splitter{
		cfg: cfg, inner: inner, http: newFeed(inner.Addr()), grpc: newFeed(inner.Addr()),
		closing: closing, close: sync.OnceFunc(func() { close(closing) }),
		undecided: map[net.Conn]struct{}{},
	}
}

// HTTP is where net/http accepts its connections.
func (s *Splitter) HTTP() net.Listener { return s.http }

// GRPC is where grpc-go accepts its connections.
func (s *Splitter) GRPC() net.Listener { return s.grpc }

// Run accepts connections until Close is called, and then returns nil.
func (s *Splitter) Run() error {
	pause := time.Duration(0)
	for {
		conn, err := s.inner.Accept()
		switch {
		case err == nil:
			pause = 0
			s.sort(conn)
		case s.closed():
			return nil
		case temporary(err):
			pause = min(max(2*pause, 5*time.Millisecond), acceptBackoff)
			s.cfg.Log.Warn("no connection can be accepted", "error", err, "pause", pause)
			if !s.sleep(pause) {
				return nil
			}
		default:
			return err
		}
	}
}

// Close accepts no further connection.
func (s *Splitter) Close() error {
	s.close()
	return s.inner.Close()
}

// Settle waits, after Run has returned, until the first request of each connection that was accepted is with
// its server and the answer has begun, so that the servers know of it when they are stopped. It takes no more
// than a second, and ends when ctx is done.
func (s *Splitter) Settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	deadline, _ := ctx.Deadline()
	s.giveUp(deadline)
	select {
	case <-s.unanswered.wait():
	case <-ctx.Done():
		s.giveUp(time.Now())
	}
}

// giveUp closes connections that are still undecided at t.
func (s *Splitter) giveUp(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settleBy = t
	for conn := range s.undecided {
		_ = conn.SetReadDeadline(t)
	}
}

// setReadDeadline sets the deadline of an undecided connection, unless Settle has set one.
func (s *Splitter) setReadDeadline(conn net.Conn, t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.settleBy.IsZero() || t.Before(s.settleBy) {
		_ = conn.SetReadDeadline(t)
	}
}

// Flush waits until the connections of net/http, which it has closed, have sent their last bytes. It takes no
// more than a second.
func (s *Splitter) Flush() {
	select {
	case <-s.flushing.wait():
	case <-time.After(flushTime):
	}
}

func (s *Splitter) closed() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}

// sleep reports whether it slept for d, rather than being woken by Close.
func (s *Splitter) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.closing:
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
func (s *Splitter) sort(conn net.Conn) {
	if s.cfg.TLS != nil {
		conn = tls.Server(conn, s.cfg.TLS) // does not do the handshake yet
	}
	s.mu.Lock()
	full := len(s.undecided) >= undecidedMax
	if !full {
		s.undecided[conn] = struct{}{}
	}
	s.mu.Unlock()
	if full {
		// net/http waits for its own goroutines alone, so that this loop is not held up.
		s.http.offer(conn)
		return
	}
	s.unanswered.up()
	go s.decide(conn)
}

func (s *Splitter) decide(conn net.Conn) {
	p := &peeker{conn: conn, cfg: s.cfg, setDeadline: s.setReadDeadline}
	kind, err := undecided, s.handshake(conn)
	if err == nil {
		p.started = time.Now()
		kind, err = p.peek()
	}
	s.mu.Lock()
	delete(s.undecided, conn)
	s.mu.Unlock()
	answered := sync.OnceFunc(s.unanswered.down)
	if err != nil {
		answered()
		_ = conn.Close()
		return
	}
	_ = conn.SetReadDeadline(time.Time{})
	switch kind {
	case grpcRequest:
		s.grpc.offer(newGRPCConn(p, answered))
	case http2Request:
		s.http.offer(newHTTPConn(p, answered, &s.flushing))
	default:
		s.http.offer(&replayConn{Conn: conn, replay: p.in, answered: answered})
	}
}
