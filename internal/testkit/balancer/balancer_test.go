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

// backend is a server that says its name, and whether it is ready.
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

// balance listens in front of the backends, and waits until it knows that they are ready.
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
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never came true that %s", what)
		}
	}
}

// ask returns what the backend says that a new connection leads to.
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
		t.Errorf("two connections led to %q, want one to each backend", got)
	}
	first.Store(false)
	eventually(t, "a backend is found unready", func() bool { return !a.Ready() })
	if got := ask(t, b) + ask(t, b); got != "zz" {
		t.Errorf("two connections led to %q, want both to the one that is ready", got)
	}
	second.Store(false)
	eventually(t, "the other is found unready", func() bool { return !z.Ready() })
	if got := ask(t, b); got != "a" && got != "z" {
		t.Errorf("with none ready a connection led to %q, want it to lead to any", got)
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
		t.Errorf("reading from a connection after Close: %v, want its end", err)
	}
	if _, err := net.Dial("tcp", b.Addr()); err == nil {
		t.Error("the balancer still listens after Close")
	}
}
