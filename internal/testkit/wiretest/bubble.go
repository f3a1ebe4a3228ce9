package wiretest

import (
	"context"
	"net"
	"net/http"
	"testing"
)

// ServeInBubble serves handler over HTTP/1.1 until the test ends, and returns a client for it. It uses no network,
// because a bubble of package synctest cannot wait for one.
func ServeInBubble(t testing.TB, handler http.Handler) *http.Client {
	t.Helper()
	return serveInBubble(t, handler, nil)
}

// ServeHTTP2InBubble is ServeInBubble over HTTP/2.
func ServeHTTP2InBubble(t testing.TB, handler http.Handler) *http.Client {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return serveInBubble(t, handler, protocols)
}

func serveInBubble(t testing.TB, handler http.Handler, protocols *http.Protocols) *http.Client {
	listener := make(pipes)
	server := &http.Server{Handler: handler, Protocols: protocols}
	go func() { _ = server.Serve(listener) }()
	transport := &http.Transport{DialContext: listener.dial, Protocols: protocols}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = server.Close()
	})
	return &http.Client{Transport: transport}
}

// pipes is a listener of in-memory connections.
type pipes chan net.Conn

func (p pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p <- there:
		return here, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p pipes) Accept() (net.Conn, error) {
	if conn, ok := <-p; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (p pipes) Close() error {
	close(p)
	return nil
}

func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }
