package sniff_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"key-value/internal/server/sniff"
)

// listener returns what its channel receives.
type listener struct {
	conns  chan any // a net.Conn or an error
	closed chan struct{}
}

func newListener() *listener { return &listener{make(chan any), make(chan struct{})} }

func (l *listener) Accept() (net.Conn, error) {
	select {
	case next := <-l.conns:
		if conn, ok := next.(net.Conn); ok {
			return conn, nil
		}
		return nil, next.(error)
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error   { close(l.closed); return nil }
func (l *listener) Addr() net.Addr { return &net.TCPAddr{} }

// run runs a mux of l until the test ends.
func run(t *testing.T, l *listener, cfg sniff.Config) *sniff.Mux {
	s := sniff.New(l, cfg)
	done := make(chan error, 1)
	go func() { done <- s.Run() }()
	t.Cleanup(func() {
		_ = s.Close()
		if err := <-done; err != nil {
			t.Errorf("Run = %v after Close, want nil", err)
		}
		s.Settle(context.Background())
	})
	return s
}

type tooManyFiles struct{ error }

func (tooManyFiles) Temporary() bool { return true }

func TestAcceptingGoesOnAfterAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newListener()
		s := run(t, l, config)
		start := time.Now()
		for range 20 {
			l.conns <- tooManyFiles{errors.New("too many open files")}
		}
		l.conns <- &script{pieces: [][]byte{[]byte("GET / HTTP/1.1\r\n\r\n")}}
		conn, err := s.Listener(sniff.HTTP).Accept()
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
		if took := time.Since(start); took < 5*time.Second || took > 20*time.Second {
			t.Errorf("20 failures took %v, want pauses of up to a second", took)
		}
	})
}

func TestSilentConnectionsHoldUpNoOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newListener()
		s := run(t, l, config)
		var clients []net.Conn
		for range 1100 {
			client, silent := net.Pipe()
			clients = append(clients, client)
			l.conns <- silent
			time.Sleep(time.Millisecond)
		}
		for i, client := range clients {
			_ = client.SetReadDeadline(time.Now().Add(time.Millisecond))
			if _, err := client.Read(make([]byte, 1)); errors.Is(err, io.EOF) != (i < 1100-1024) {
				t.Errorf("reading connection %d of 1100 = %v, want all but the latest 1024 closed", i, err)
			}
		}
		l.conns <- &script{pieces: [][]byte{[]byte("GET / HTTP/1.1\r\n\r\n")}}
		conn, err := s.Listener(sniff.HTTP).Accept()
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
	})
}
