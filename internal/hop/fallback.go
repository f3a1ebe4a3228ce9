package hop

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// http1IdleTimeout is how long an HTTP/1.1 connection without requests is kept open: less than servers and proxies do, so
// that no request is sent on a connection that is being closed.
const http1IdleTimeout = 4 * time.Second

// answerTimeout is how long a write that failed waits for what the peer has answered before.
const answerTimeout = time.Second

// ErrRejectsPlain is the cause of a failed call whose server may require TLS.
var ErrRejectsPlain = errors.New("the server speaks HTTP/1.1 only, and answers 400 Bad Request")

// plainTransport sends requests to http:// over HTTP/2, or over HTTP/1.1 once a peer was seen to speak nothing else, as
// nginx does for example.
//
// Without TLS there is no negotiation: the client begins with the preface of HTTP/2, which a server of HTTP/1.1 answers with
// an error and closes the connection. It cannot have read a request, so every request may be sent again, writes included.
type plainTransport struct {
	http2, http1 *http.Transport
	onlyHTTP1    atomic.Bool // whether a peer answered the preface in HTTP/1
}

// newPlainTransport returns a transport that is configured as base, which is for HTTP/2.
func newPlainTransport(base *http.Transport) *plainTransport {
	t := &plainTransport{http2: base, http1: base.Clone()}
	t.http1.Protocols = new(http.Protocols)
	t.http1.Protocols.SetHTTP1(true)
	t.http1.IdleConnTimeout = http1IdleTimeout
	t.http1.MaxIdleConnsPerHost = 100 // there is only one host
	dial := base.DialContext
	t.http2.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &answeredConn{Conn: conn, onlyHTTP1: &t.onlyHTTP1, answered: make(chan struct{})}, nil
	}
	return t
}

// RoundTrip implements [http.RoundTripper].
func (t *plainTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.onlyHTTP1.Load() {
		return t.overHTTP1(req)
	}
	res, err := t.http2.RoundTrip(req)
	if err == nil || !t.onlyHTTP1.Load() || req.Context().Err() != nil {
		return res, err
	}
	again := req.Clone(req.Context())
	if req.GetBody != nil {
		body, rewindErr := req.GetBody()
		if rewindErr != nil {
			return nil, err
		}
		again.Body = body
	}
	return t.overHTTP1(again)
}

// overHTTP1 sends a request over HTTP/1.1. It fails if the peer rejects it with 400 Bad Request: that is how servers answer on
// a port that requires TLS. The store's own 400 is JSON.
func (t *plainTransport) overHTTP1(req *http.Request) (*http.Response, error) {
	res, err := t.http1.RoundTrip(req)
	if err != nil || res.StatusCode != http.StatusBadRequest || res.Header.Get("Content-Type") == "application/json" {
		return res, err
	}
	_ = res.Body.Close()
	return nil, ErrRejectsPlain
}

// CloseIdleConnections is what [http.Client.CloseIdleConnections] calls.
func (t *plainTransport) CloseIdleConnections() {
	t.http2.CloseIdleConnections()
	t.http1.CloseIdleConnections()
}

// answeredConn is a connection that looks at the first bytes of its peer. The reader of an HTTP/2 connection is one
// goroutine, which always reads.
type answeredConn struct {
	net.Conn
	onlyHTTP1 *atomic.Bool
	looked    bool          // only the reader uses it
	answered  chan struct{} // closed when the first read has returned
}

func (c *answeredConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if !c.looked {
		c.looked = true
		if bytes.HasPrefix(p[:n], []byte("HTTP/1.")) {
			c.onlyHTTP1.Store(true)
		}
		close(c.answered)
	}
	return n, err
}

// Write fails only after the first read has returned, because the answer to the preface says why the peer closed the
// connection.
func (c *answeredConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err != nil {
		select {
		case <-c.answered:
		case <-time.After(answerTimeout):
		}
	}
	return n, err
}
