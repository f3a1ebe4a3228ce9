package balancer_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"key-value/internal/testkit/balancer"
)

// backend is a server that answers with its name, and whose readiness a test can change.
func backend(t *testing.T, name string, ready *atomic.Bool) *balancer.Backend {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" && !ready.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		io.WriteString(w, name)
	}))
	t.Cleanup(server.Close)
	return &balancer.Backend{Addr: strings.TrimPrefix(server.URL, "http://"), Probe: server.URL + "/readyz"}
}

// balance starts a balancer for the backends and waits until it has found them ready.
func balance(t *testing.T, backends ...*balancer.Backend) *balancer.Balancer {
	t.Helper()
	b, err := balancer.New("127.0.0.1:0", backends...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	for _, back := range backends {
		eventually(t, "a ready backend is found ready", back.Ready)
	}
	return b
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

// ask returns the name of the backend that a new connection reaches.
func ask(t *testing.T, b *balancer.Balancer) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get("http://" + b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestConnectionsGoToReadyBackendsInTurn(t *testing.T) {
	var first, second atomic.Bool
	first.Store(true)
	second.Store(true)
	a, z := backend(t, "a", &first), backend(t, "z", &second)
	b := balance(t, a, z)
	if got := ask(t, b) + ask(t, b); got != "az" && got != "za" {
		t.Errorf("two connections reached %q, want one for each backend", got)
	}
	first.Store(false)
	eventually(t, "a backend is found unready", func() bool { return !a.Ready() })
	if got := ask(t, b) + ask(t, b); got != "zz" {
		t.Errorf("two connections reached %q, want both to reach the one that is ready", got)
	}
	second.Store(false)
	eventually(t, "the other is found unready", func() bool { return !z.Ready() })
	if got := ask(t, b); got != "a" && got != "z" {
		t.Errorf("with none ready a connection reached %q, want it to reach any", got)
	}
}

func TestCloseEndsConnections(t *testing.T) {
	var ready atomic.Bool
	ready.Store(true)
	b := balance(t, backend(t, "a", &ready))
	conn, err := net.Dial("tcp", b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil { // the connection reaches the backend
		t.Fatal(err)
	}
	b.Close()
	if _, err := io.Copy(io.Discard, conn); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("Read after Close = %v, want the end of the connection", err)
	}
	if _, err := net.Dial("tcp", b.Addr()); err == nil {
		t.Error("the balancer is still listening after Close")
	}
}

// A backend that answers, takes no more, and closes the connection: what the client still sends is answered by a reset.
func TestWhatABackendSentIsDeliveredBeforeItsReset(t *testing.T) {
	const answer = 16 << 10 // little enough that all of it has left the backend before the reset
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() { // ends with the listener
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write(make([]byte, answer))
			conn.Close()
		}
	}()
	b, err := balancer.New("127.0.0.1:0", &balancer.Backend{Addr: listener.Addr().String(), Probe: "http://127.0.0.1:0"}) // never ready
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for range 100 {
		conn, err := net.Dial("tcp", b.Addr())
		if err != nil {
			t.Fatal(err)
		}
		go func() { // ends with the connection
			for {
				if _, err := conn.Write([]byte("more")); err != nil {
					return
				}
			}
		}()
		if n, err := io.Copy(io.Discard, conn); n != answer {
			t.Fatalf("read %d bytes of the answer, then %v, want all %d", n, err, answer)
		}
		conn.Close()
	}
}
