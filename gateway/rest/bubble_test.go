package rest_test

import (
	"context"
	"net"
	"net/http"
	"testing"
	"testing/synctest"

	"key-value/gateway/rest"
)

// inBubble runs a test in fake time, with a real server and a real client and no network between them. What
// setUp makes belongs to the bubble. The end of the test waits for every goroutine.
func inBubble(t *testing.T, setUp func(testing.TB) (client, rest.Config), test func(*testing.T, *http.Client, client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		client, cfg := setUp(t)
		listener := make(pipes)
		server := &http.Server{Handler: rest.New(client, cfg)}
		go func() { _ = server.Serve(listener) }()
		transport := &http.Transport{DialContext: listener.dial}
		t.Cleanup(func() {
			transport.CloseIdleConnections()
			_ = server.Close()
		})
		test(t, &http.Client{Transport: transport}, client)
	})
}

// pipes is a listener and the way to reach it.
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

// with returns a setUp of a fresh service.
func with(cfg rest.Config) func(testing.TB) (client, rest.Config) {
	return func(t testing.TB) (client, rest.Config) { return newService(t), cfg }
}

const bubbleURL = "http://gateway/v1/values"
