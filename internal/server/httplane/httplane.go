// Package httplane is the lane of net/http, which serves everything.
package httplane

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"key-value/internal/contract/problem"
	"key-value/internal/server/lane"
	"key-value/internal/server/sniff"
)

// Config says what to serve.
type Config struct {
	// Handler answers the requests.
	Handler http.Handler
	// TLS is whether connections come with TLS.
	TLS bool
	// Bounds are those of all lanes, with a value in every field.
	Bounds lane.Bounds
	// Running reports whether the server goes on.
	Running func() bool
	// Log is told what net/http complains of.
	Log *slog.Logger
}

// Lane is an HTTP server.
type Lane struct {
	bounds   lane.Bounds
	running  func() bool
	http     *http.Server
	served   chan struct{}  // closed when no further connection is accepted
	flushing sync.WaitGroup // connections whose last bytes may still be on their way
}

// New returns the server of everything but gRPC connections.
func New(cfg Config) *Lane {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	// Connections come with TLS taken off, except where there are too many to look at.
	protocols.SetUnencryptedHTTP2(true)
	protocols.SetHTTP2(cfg.TLS)
	l := &Lane{bounds: cfg.Bounds, running: cfg.Running, served: make(chan struct{})}
	l.http = &http.Server{
		Handler:           withTLS(l.sendAway(withoutResets(oneLength(l.boundHeaders(l.withDeadlines(cfg.Handler)))))),
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
		ConnContext: l.keepPeer,
		ErrorLog:    slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug),
	}
	return l
}

// Serve serves the connections of a listener until Stop is called.
func (l *Lane) Serve(listener net.Listener) error {
	defer close(l.served)
	return l.http.Serve(accepting{listener, l})
}

// accepting makes what net/http needs of the connections of a listener.
type accepting struct {
	net.Listener
	lane *Lane
}

func (a accepting) Accept() (net.Conn, error) {
	c, err := a.Listener.Accept()
	if sniffed, ok := c.(*sniff.Conn); ok {
		return a.lane.Wrap(sniffed), nil
	}
	return c, err
}

// Wrap returns c as net/http gets it.
func (l *Lane) Wrap(c *sniff.Conn) net.Conn {
	if c.HTTP2 == nil {
		return c
	}
	return newConn(c, l.bounds, &l.flushing)
}

// Stop waits for Shutdown, not for Serve, which returns as soon as Shutdown begins. Then it waits until the connections
// have sent their last bytes, for FlushTimeout at most.
func (l *Lane) Stop(ctx context.Context) error {
	err := l.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = errors.Join(err, l.http.Close())
	}
	<-l.served
	flushed := make(chan struct{})
	go func() {
		defer close(flushed)
		l.flushing.Wait()
	}()
	select {
	case <-flushed:
	case <-time.After(l.bounds.FlushTimeout):
	}
	return err
}

// tlsOf returns what TLS was agreed on for a connection of net/http that cannot know it, and else nil.
func tlsOf(c net.Conn) *tls.ConnectionState {
	switch c := c.(type) {
	case *conn:
		return c.TLS()
	case *sniff.Conn:
		return c.TLS()
	}
	return nil
}

// withTLS tells requests that they came by TLS, which net/http does not see.
func withTLS(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p, ok := r.Context().Value(peerKey{}).(*peer); ok && p.tls != nil {
			r.TLS = p.tls
		}
		next.ServeHTTP(w, r)
	})
}

// oneLength closes an HTTP/1.1 connection behind a request in chunks. Such a request may have had a
// Content-Length as well, which net/http drops without a word; what follows it could then be read as a second
// request here and as part of the first one by a proxy in front (RFC 9112, section 6.1).
func oneLength(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 && len(r.TransferEncoding) != 0 {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// boundHeaders refuses headers over HTTP/1.1 that net/http lets pass, which reads up to 4 KiB more than it is told.
func (l *Lane) boundHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 && headerSize(r) > l.bounds.HeaderBytes {
			w.Header().Set("Connection", "close")
			detail := fmt.Sprintf("The headers exceed %d KiB.", l.bounds.HeaderBytes>>10)
			problem.Problem{Status: http.StatusRequestHeaderFieldsTooLarge, Detail: detail}.Write(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// headerSize is how long the request line and the headers of r were, or a few bytes less.
func headerSize(r *http.Request) int {
	size := len(r.Method) + len(r.RequestURI) + len(r.Host)
	for name, values := range r.Header {
		for _, value := range values {
			size += len(name) + len(value) + len(": \r\n")
		}
	}
	return size
}

// sendAway closes HTTP/1.1 connections behind their next answer while the server is about to stop. Their clients then
// open new ones, which a load balancer takes elsewhere; a connection that is closed while it waits may have a request on
// its way, which would be lost. HTTP/2 has GOAWAY for that.
func (l *Lane) sendAway(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 && !l.running() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
