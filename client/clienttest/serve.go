package clienttest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"

	"key-value/internal/server"
)

// URL returns the address of the store on the loopback network, such as http://127.0.0.1:40123, for programs and for clients
// other than [Service.Dial]. The first call opens the port. It serves all that kv serve does: REST, Connect, gRPC, gRPC-Web
// and the console.
func (s *Service) URL() string {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.url != "" {
		return s.url
	}
	started, ended := make(chan string, 1), make(chan error, 1)
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		ended <- server.Run(ctx, server.Config{
			Listen: "127.0.0.1:0", Handler: s.gateway, RPC: s.gateway.RPC, Plain: true, State: s.state, Log: discard,
			Started: func(addr string) { started <- addr },
		})
	}()
	select {
	case addr := <-started:
		s.t.Cleanup(func() { stop(); <-ended })
		s.url = "http://" + addr
	case err := <-ended:
		stop()
		s.t.Fatalf("clienttest: %v", err)
	}
	return s.url
}

// Interrupt closes the connections of all clients that [Service.Dial] returned, as a proxy that restarts does. Watches
// resume, and reads that are under way are repeated; writes that are under way fail with [client.ErrUnavailable].
func (s *Service) Interrupt() { s.conns.closeAll() }

// conns are the open connections of a server.
type conns struct {
	mu   sync.Mutex
	open map[net.Conn]struct{} // guarded by mu
}

// note is the ConnState of the server.
func (c *conns) note(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		if c.open == nil {
			c.open = map[net.Conn]struct{}{}
		}
		c.open[conn] = struct{}{}
	case http.StateClosed:
		delete(c.open, conn)
	}
}

func (c *conns) closeAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.open {
		_ = conn.Close()
	}
}

// serveMemory serves the connections of s.memory until the test ends.
func (s *Service) serveMemory() {
	web := &http.Server{Handler: s.gateway, Protocols: unencryptedHTTP2(), ConnState: s.conns.note}
	ended := make(chan error, 1)
	go func() { ended <- web.Serve(s.memory) }()
	s.t.Cleanup(func() {
		_ = web.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			s.t.Errorf("clienttest: %v", err)
		}
	})
}

func unencryptedHTTP2() *http.Protocols {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return protocols
}

// memoryURL is the address of a store in memory. Its host is not looked up.
const memoryURL = "http://clienttest"

// httpClient returns an HTTP client that reaches the store without a network. Its connections are closed when the test ends.
func (s *Service) httpClient() *http.Client {
	transport := &http.Transport{DialContext: s.memory.Dial, Protocols: unencryptedHTTP2()}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}
