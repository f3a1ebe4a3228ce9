package wiretest

import (
	"net/http"
	"testing"

	"key-value/internal/testkit/memnet"
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
	listener := memnet.New()
	server := &http.Server{Handler: handler, Protocols: protocols}
	go func() { _ = server.Serve(listener) }()
	transport := &http.Transport{DialContext: listener.Dial, Protocols: protocols}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = server.Close()
	})
	return &http.Client{Transport: transport}
}
