package server_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"key-value/internal/server"
)

// pipe is a listener of one connection without a network, so that time in a bubble can pass.
type pipe struct {
	server net.Conn
	taken  chan struct{}
}

func (p *pipe) Accept() (net.Conn, error) {
	if p.server != nil {
		conn := p.server
		p.server = nil
		return conn, nil
	}
	<-p.taken
	return nil, net.ErrClosed
}

func (p *pipe) Close() error   { close(p.taken); return nil }
func (p *pipe) Addr() net.Addr { return &net.TCPAddr{} }

// inFakeTime serves handler on one connection, in a bubble where minutes pass at once.
func inFakeTime(t *testing.T, handler http.HandlerFunc, test func(t *testing.T, conn net.Conn)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, peer := net.Pipe()
		stop := server.ServeOn(&pipe{server: peer, taken: make(chan struct{})}, server.Config{Handler: handler, Plain: plain(t)})
		test(t, client)
		_ = client.Close()
		stop()
	})
}

// Load balancers keep idle connections too, some for ten minutes, and do not expect that a server closes one.
func TestAnIdleConnectionIsKeptLongerThanLoadBalancersKeepIt(t *testing.T) {
	inFakeTime(t, func(http.ResponseWriter, *http.Request) {}, func(t *testing.T, conn net.Conn) {
		answers := bufio.NewReader(conn)
		for _, idle := range []time.Duration{0, 605 * time.Second, 605 * time.Second} {
			time.Sleep(idle)
			if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
				t.Fatalf("a request after %v: %v", idle, err)
			}
			res, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Fatalf("the response to a request after %v: %v", idle, err)
			}
			_ = res.Body.Close()
		}
		start := time.Now()
		_, err := answers.ReadByte()
		if took := time.Since(start); !errors.Is(err, io.EOF) || took != server.DefaultIdleTimeout {
			t.Errorf("an idle connection ends after %v with %v, want it closed after %v", took, err, server.DefaultIdleTimeout)
		}
	})
}

func TestAStalledBodyTimesOut(t *testing.T) {
	var took time.Duration
	var failed error
	handler := func(_ http.ResponseWriter, r *http.Request) {
		start := time.Now()
		_, failed = io.ReadAll(r.Body)
		took = time.Since(start)
	}
	inFakeTime(t, handler, func(_ *testing.T, conn net.Conn) {
		var sender sync.WaitGroup
		defer sender.Wait()
		sender.Go(func() {
			fmt.Fprint(conn, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
			for range 100 { // a byte a second would take a quarter of an hour
				if _, err := io.WriteString(conn, "x"); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		})
		_, _ = io.Copy(io.Discard, conn)
	})
	if !errors.Is(failed, os.ErrDeadlineExceeded) || took > time.Minute {
		t.Errorf("reading the body ended after %v with %v, want a deadline within a minute", took, failed)
	}
}

func TestStalledHeadersTimeOut(t *testing.T) {
	inFakeTime(t, nil, func(t *testing.T, conn net.Conn) {
		start := time.Now()
		go fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost:")
		_, _ = io.Copy(io.Discard, conn)
		if took := time.Since(start); took > time.Minute {
			t.Errorf("the connection was closed after %v, want it within a minute", took)
		}
	})
}

func TestAReaderThatStopsReadingTimesOut(t *testing.T) {
	var took time.Duration
	handler := func(w http.ResponseWriter, _ *http.Request) {
		start := time.Now()
		for range 100 {
			if _, err := io.WriteString(w, strings.Repeat("x", 64<<10)); err != nil {
				break
			}
		}
		took = time.Since(start)
	}
	inFakeTime(t, handler, func(_ *testing.T, conn net.Conn) {
		fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		time.Sleep(time.Hour) // in the bubble
	})
	if took == 0 || took > time.Minute {
		t.Errorf("the handler could stop writing after %v, want it within a minute", took)
	}
}

func TestAStreamMayBeSilentForHours(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for range 3 {
			_, _ = io.WriteString(w, "event\n")
			_ = http.NewResponseController(w).Flush()
			select {
			case <-time.After(5 * time.Hour):
			case <-r.Context().Done():
				return
			}
		}
	}
	inFakeTime(t, handler, func(t *testing.T, conn net.Conn) {
		go fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if string(body) != "event\nevent\nevent\n" || err != nil {
			t.Errorf("the stream was %q, %v; want all three events", body, err)
		}
	})
}

func TestAResponseOfOneWriteMayBeReadSlowly(t *testing.T) {
	const size = 8 << 20
	handler := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", size)) }
	inFakeTime(t, handler, func(t *testing.T, conn net.Conn) {
		go fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		slow := &slowReader{conn, throttle{rate: 100_000}}
		res, err := http.ReadResponse(bufio.NewReader(slow), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if n, err := io.Copy(io.Discard, res.Body); n != size || err != nil {
			t.Errorf("a reader of 100 kB/s got %d bytes of %d: %v", n, size, err)
		}
	})
}

// slowReader reads at the rate of a throttle.
type slowReader struct {
	io.Reader
	throttle throttle
}

func (s *slowReader) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(s.throttle.step(p))
	s.throttle.moved(n)
	return n, err
}
