package server_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"key-value/internal/server"
)

func TestConnectionsBeyondTheBoundWait(t *testing.T) {
	var served sync.Map // :: address of a client → true
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	started, done := make(chan string, 1), make(chan error, 1)
	go func() {
		done <- server.Run(ctx, server.Config{
			Listen: "127.0.0.1:0", State: server.NewState(), Log: silent, MaxConnections: 2, Drain: time.Minute,
			Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { served.Store(r.RemoteAddr, true) }),
			Started: func(addr string) { started <- addr },
		})
	}()
	addr := <-started
	const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	var conns []net.Conn
	for range 3 {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, get); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	answered := func(conn net.Conn) {
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := conn.Read(make([]byte, 4096)); err != nil {
			t.Fatalf("there is no answer: %v", err)
		}
	}
	answered(conns[0])
	for range 100 { // while the third one waits
		answered(conns[1])
		if _, err := io.WriteString(conns[1], get); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := served.Load(conns[2].LocalAddr().String()); ok {
		t.Error("a third connection is served beside the two that there may be")
	}
	_ = conns[0].Close() // only now is there room for the third
	answered(conns[2])
	stop()
	for _, conn := range conns {
		_ = conn.Close()
	}
	if err := <-done; err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
}

// A server that waits for room must still stop.
func TestAServerThatIsFullStops(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	started, done := make(chan string, 1), make(chan error, 1)
	go func() {
		done <- server.Run(ctx, server.Config{
			Listen: "127.0.0.1:0", State: server.NewState(), Log: silent, MaxConnections: 1, Drain: time.Minute, Handler: http.NotFoundHandler(),
			Started: func(addr string) { started <- addr },
		})
	}()
	addr := <-started
	for range 3 {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
}
