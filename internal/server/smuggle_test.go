package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"key-value/internal/server"
	"key-value/internal/testkit/wiretest"
)

// A request with two lengths is how request smuggling begins.
func TestTwoLengthsNeverMakeASecondRequest(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 10)
	s := start(t, server.Config{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		asked <- r.URL.Path
	})})
	for name, lengths := range map[string]string{
		"length and chunked": "Content-Length: 44\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"two lengths":        "Content-Length: 0\r\nContent-Length: 44\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			conn := dialTCP(t, s.addr)
			fmt.Fprintf(conn, "POST /first HTTP/1.1\r\nHost: a\r\n%sGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n", lengths)
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err == nil {
				res.Body.Close()
			}
			_, _ = io.Copy(io.Discard, conn) // until the server closes
			for len(asked) != 0 {
				if path := <-asked; path == "/smuggled" {
					t.Error("the server took the body of the first request for a second one")
				}
			}
		})
	}
}

// A handler that answers without reading the body leaves bytes that must not become a request.
func TestABodyThatIsNotReadIsNeverARequest(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 100_000)
	s := start(t, server.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		_ = r.Body.Close()
		w.Header().Set("Connection", map[bool]string{true: "close"}[len(asked) > 1]) // do not answer all of them
		w.WriteHeader(http.StatusUnauthorized)
	})})
	inner := "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
	for size, repeats := range map[string]int{"a small body": 20, "more than is read to keep a connection": 20 << 10} {
		t.Run(size, func(t *testing.T) {
			body := strings.Repeat(inner, repeats)
			conn := dialTCP(t, s.addr)
			go fmt.Fprintf(conn, "PUT /first HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s"+
				"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", len(body), body)
			_, _ = io.Copy(io.Discard, conn) // until the server closes
			if path := <-asked; path != "/first" {
				t.Errorf("the server was asked for %s, want /first", path)
			}
			for len(asked) > 0 {
				if path := <-asked; path != "/last" {
					t.Fatalf("the server was asked for %s, want only /first and /last", path)
				}
			}
		})
	}
}

// Upgrade to HTTP/2 is deprecated (RFC 9113, section 3.1). A proxy that forwards the header may also forward, without
// looking at it, whatever follows.
func TestAnUpgradeToHTTP2IsNeverMade(t *testing.T) {
	t.Parallel()
	s := start(t, oneMinute)
	smuggled := recorded(t, func(p *wiretest.Peer) {
		p.Greet()
		p.Request(1, p.Post(who, grpcs), wiretest.Message(nil))
	})
	p := wiretest.DialPeer(t, s.url)
	if _, err := p.Conn.Write(smuggled); err != nil {
		t.Fatal(err)
	}
	wantResponse(t, p, "grpc-go") // allowed only at the beginning of a connection
	calls := s.calls.Load()
	for name, test := range map[string]struct{ method, length string }{
		"after the request": {http.MethodGet, ""},
		"as its body":       {http.MethodPost, fmt.Sprintf("Content-Length: %d\r\n", len(smuggled))},
	} {
		t.Run(name, func(t *testing.T) {
			conn := wiretest.DialPeer(t, s.url).Conn
			_ = conn.SetDeadline(time.Now().Add(time.Minute))
			_, err := fmt.Fprintf(conn, "%s / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\n"+
				"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n%s\r\n%s"+
				"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", test.method, test.length, smuggled)
			if err != nil {
				t.Fatal(err)
			}
			answer := bufio.NewReader(conn)
			res, err := http.ReadResponse(answer, nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != http.StatusOK || string(body) != "HTTP/1.1" {
				t.Errorf("the request was answered with %s, %q, %v; want the response of HTTP/1.1", res.Status, body, err)
			}
			_, _ = io.Copy(io.Discard, answer) // until the server closes
			if got := s.calls.Load() - calls; got != 0 {
				t.Errorf("%d calls were made over HTTP/2, want none", got)
			}
		})
	}
}
