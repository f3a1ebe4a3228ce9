// Package httplane is the lane of net/http, which serves every kind of request: HTTP/1.1 and HTTP/2, gRPC included.
package httplane

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"key-value/internal/server/lane"
	"key-value/internal/server/sniff"
)

// Config configures a Lane.
type Config struct {
	// Handler answers the requests.
	Handler http.Handler
	// TLS reports whether connections have TLS.
	TLS bool
	// Bounds are those of all lanes. Every field must be set.
	Bounds lane.Bounds
	// Limiter is that of all lanes.
	Limiter *lane.Limiter
	// Running reports whether the server wants further requests. Once it does not, HTTP/1.1 connections are closed
	// after their next response.
	Running func() bool
	// Log receives what net/http logs, at level debug.
	Log *slog.Logger
}

// Lane serves connections by net/http.
type Lane struct {
	handler  http.Handler // answers requests, see Config
	bounds   lane.Bounds
	limiter  *lane.Limiter
	running  func() bool
	http     *http.Server
	served   chan struct{}  // closed when no further connection is accepted
	flushing sync.WaitGroup // connections whose last bytes may not have been sent, or read by the client
}

// New returns a Lane.
func New(cfg Config) *Lane {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	// net/http sees TLS only on connections that were not sniffed; it reads the others through a [sniff.Conn].
	protocols.SetUnencryptedHTTP2(true)
	protocols.SetHTTP2(cfg.TLS)
	l := &Lane{handler: cfg.Handler, bounds: cfg.Bounds, limiter: cfg.Limiter, running: cfg.Running, served: make(chan struct{})}
	l.http = &http.Server{
		Handler:           l,
		Protocols:         protocols,
		ReadHeaderTimeout: cfg.Bounds.HeaderTimeout,
		IdleTimeout:       cfg.Bounds.IdleTimeout,
		MaxHeaderBytes:    cfg.Bounds.HeaderBytes,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: cfg.Bounds.Streams,
			SendPingTimeout:      cfg.Bounds.PingAfter,
			PingTimeout:          cfg.Bounds.PingTimeout,
			WriteByteTimeout:     cfg.Bounds.WriteTimeout,
		},
		ConnContext: withPeer,
		ConnState:   watchState,
		ErrorLog:    slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug),
	}
	return l
}

// Serve serves the connections of a listener until Stop is called.
func (l *Lane) Serve(listener net.Listener) error {
	defer close(l.served)
	return l.http.Serve(wrapping{listener, l})
}

// Stop waits until calls are done, or cuts them off when ctx is. It then waits until the connections have sent their
// last bytes and clients have read them, for up to FlushTimeout. Serve must have been called.
func (l *Lane) Stop(ctx context.Context) error {
	err := l.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = errors.Join(err, l.http.Close())
	}
	<-l.served // no connection is accepted, and flushing only falls
	flushed := make(chan struct{})
	go func() { // ends with the last connection
		defer close(flushed)
		l.flushing.Wait()
	}()
	select {
	case <-flushed:
	case <-time.After(l.bounds.FlushTimeout):
	}
	return err
}

// wrapping is a listener whose sniffed connections are wrapped.
type wrapping struct {
	net.Listener
	lane *Lane
}

func (w wrapping) Accept() (net.Conn, error) {
	c, err := w.Listener.Accept()
	if sniffed, ok := c.(*sniff.Conn); ok {
		return w.lane.Wrap(sniffed), nil
	}
	return c, err
}

// Wrap returns c as net/http reads and writes it.
func (l *Lane) Wrap(c *sniff.Conn) net.Conn {
	if c.HTTP2 == nil {
		return &http1Conn{Conn: c, bounds: l.bounds, lingering: &l.flushing}
	}
	return newConn(c, l.bounds, l.limiter, &l.flushing)
}

// peer is what is known of the client of a connection.
type peer struct {
	conn     net.Conn
	sniffed  *sniff.Conn          // nil if the connection was not sniffed
	tls      *tls.ConnectionState // nil without TLS, and where net/http finds it itself
	http1    *http1Conn           // nil unless the connection is HTTP/1.1
	streams  *lane.Streams        // nil unless the connection is HTTP/2
	accepted *lane.Conn           // nil: it is not in the table of connections
	calls    atomic.Int64         // calls in progress, on HTTP/2
	mixing   mixing
}

// peerKey is the context key of a connection's *peer.
type peerKey struct{}

func withPeer(ctx context.Context, c net.Conn) context.Context {
	p := &peer{conn: c}
	switch c := c.(type) {
	case *conn:
		p.sniffed, p.streams = c.Conn, c.streams
		ctx = context.WithValue(ctx, lane.StreamsKey, c.streams)
	case *http1Conn:
		p.sniffed, p.http1 = c.Conn, c
	}
	p.accepted = lane.ConnOf(c)
	if p.sniffed != nil {
		p.tls = p.sniffed.TLS()
		p.accepted = lane.ConnOf(p.sniffed.Conn)
	}
	if p.streams == nil && p.accepted != nil {
		ctx = lane.WithConn(ctx, p.accepted)
	}
	return context.WithValue(ctx, peerKey{}, p)
}

// ServeHTTP implements [http.Handler]: it serves what net/http has parsed. It sets r.TLS, which net/http sets only on a
// [tls.Conn], and makes r.RemoteAddr the caller's address if that of the connection is a trusted proxy's. On HTTP/2 it also
// detects clients that mix gRPC with other requests on one connection, and skips requests that were reset before their turn.
//
// Few functions with small frames do all of that, because a watch keeps them on its stack as long as it is open.
func (l *Lane) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p, ok := r.Context().Value(peerKey{}).(*peer)
	if !ok {
		l.serve(w, r, nil, nil)
		return
	}
	p.accepted.Begin()
	defer p.accepted.End()
	if p.tls != nil {
		r.TLS = p.tls
	}
	if p.accepted.Proxied() {
		r.RemoteAddr = p.accepted.Caller(r.RemoteAddr, r.Header.Values)
	}
	if r.ProtoMajor < 2 {
		l.serve(w, r, nil, p.http1)
		return
	}
	if p.sniffed != nil && p.mixing.seen(r) {
		p.sniffed.Mixed()
	}
	if p.streams != nil && p.streams.Resetting() {
		runtime.Gosched() // the reset may have arrived with the request
	}
	if r.Context().Err() == nil {
		p.calls.Add(1)
		defer p.calls.Add(-1)
		l.serve(w, r, &p.calls, nil)
	}
}

// serve answers r. Calls counts the calls in progress on the connection, see [sharers]. Http1 is the connection if it is
// HTTP/1.1.
func (l *Lane) serve(w http.ResponseWriter, r *http.Request, calls *atomic.Int64, http1 *http1Conn) {
	writer := l.newWriter(w, r, calls)
	defer writer.end()
	if !l.rejects(writer, r) {
		l.handler.ServeHTTP(writer, l.paceBody(r, writer, http1))
	}
}
