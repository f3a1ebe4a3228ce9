package server_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"testing"
	"time"

	"key-value/internal/server"
	"key-value/internal/server/forwarded"
	"key-value/internal/server/lane"
	"key-value/internal/testkit/wiretest"
)

// fullTable is how many connections a table of the tests has.
const fullTable = 50

// probeBound is how long a probe may take beside a full table, on a busy machine. Without the table's limit it waits for the
// deadline of another connection.
const probeBound = time.Minute

// anHour are deadlines of connections that a test does not wait for.
var anHour = server.Bounds{
	HeaderTimeout: time.Hour, BodyTimeout: time.Hour, WriteTimeout: time.Hour, IdleTimeout: time.Hour, PingAfter: time.Hour,
}

func TestProbesAreAnsweredBesideAFullTable(t *testing.T) {
	t.Parallel()
	for name, fill := range map[string]func(t *testing.T, s *fixture){
		"silent connections": func(t *testing.T, s *fixture) { dialTCP(t, s.addr) },
		"idle connections after a request": func(t *testing.T, s *fixture) {
			conn := dialTCP(t, s.addr)
			if err := getOn(conn, "/livez"); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
			}
		},
		"HTTP/2 connections without a request": func(t *testing.T, s *fixture) { s.dial(t) },
		"gRPC requests without a message": func(t *testing.T, s *fixture) {
			p := s.dial(t)
			p.Must(p.WriteHeaders(headers(1, p.Post(who, grpcs))))
		},
		"requests whose body does not arrive": func(t *testing.T, s *fixture) {
			_, _ = io.WriteString(dialTCP(t, s.addr), "POST "+who+" HTTP/1.1\r\nHost: a\r\nContent-Type: application/proto\r\nContent-Length: 9\r\n\r\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, server.Config{MaxConnections: fullTable, Bounds: anHour})
			for range fullTable {
				fill(t, s)
			}
			for range 2 * fullTable {
				conn := dialTCP(t, s.addr)
				if err := getOn(conn, "/livez"); err != nil {
					t.Fatalf("a probe = %v", err)
				}
				_ = conn.Close()
			}
		})
	}
}

// getOn makes a GET request and reads the response, within probeBound.
func getOn(conn net.Conn, path string) error {
	_ = conn.SetDeadline(time.Now().Add(probeBound))
	if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		return err
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

func TestConnectionsOfAuthenticatedCallersGiveWayLast(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	s := start(t, server.Config{MaxConnections: 3, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/anonymous" {
			lane.Admitted(r.Context())
		}
		if r.URL.Path == "/slow" {
			entered <- struct{}{}
			<-release
		}
	})})
	idle := dialTCP(t, s.addr)
	wantAnswer := func(conn net.Conn, path string) {
		t.Helper()
		if err := getOn(conn, path); err != nil {
			t.Errorf("GET %s = %v", path, err)
		}
	}
	wantAnswer(idle, "/known")
	for range 10 {
		wantAnswer(dialTCP(t, s.addr), "/anonymous")
	}
	wantAnswer(idle, "/known") // has not given way

	slow := make(chan error, 3)
	for _, client := range []*http.Client{http1(t), http1(t), wiretest.HTTPClient(t)} { // and take the place of idle too
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			req, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/slow", http.NoBody)
			res, err := client.Do(req)
			if err == nil {
				err = res.Body.Close()
			}
			slow <- err
		}()
		<-entered
	}
	if err := getOn(dialTCP(t, s.addr), "/anonymous"); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a connection for which there is no room = %v, want it closed", err)
	}
	close(release)
	for range cap(slow) {
		if err := <-slow; err != nil {
			t.Errorf("a request in flight = %v, want a response", err)
		}
	}
}

func TestTheAddressWithTheMostConnectionsGivesWay(t *testing.T) {
	t.Parallel()
	s := start(t, server.Config{MaxConnections: fullTable})
	modest, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).Dial("tcp", s.addr)
	if err != nil {
		t.Skip(err) // only Linux has the address
	}
	defer modest.Close()
	if err := getOn(modest, "/"); err != nil { // it may be idle for longer now than a connection without a request
		t.Fatal(err)
	}
	for range 2 * fullTable {
		conn := dialTCP(t, s.addr)
		if err := getOn(conn, "/"); err != nil {
			t.Fatal(err)
		}
	}
	if err := getOn(modest, "/"); err != nil {
		t.Errorf("the oldest connection, which is the only one of its address = %v, want it open", err)
	}
}

// Behind a proxy, many callers share an address.
func TestConnectionsOfATrustedProxyCountAsOneEach(t *testing.T) {
	t.Parallel()
	const most = fullTable * 3 / 5
	s := start(t, server.Config{MaxConnections: fullTable, Proxies: forwarded.Proxies{netip.MustParsePrefix("127.0.0.2/32")}})
	var proxied []net.Conn
	for range most {
		conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).Dial("tcp", s.addr)
		if err != nil {
			t.Skip(err) // only Linux has the address
		}
		defer conn.Close()
		if err := getOn(conn, "/"); err != nil {
			t.Fatal(err)
		}
		proxied = append(proxied, conn)
	}
	for range 2 * fullTable {
		if err := getOn(dialTCP(t, s.addr), "/"); err != nil {
			t.Fatal(err)
		}
	}
	for i, conn := range proxied {
		if err := getOn(conn, "/"); err != nil {
			t.Fatalf("connection %d of the proxy = %v, want it open", i, err)
		}
	}
}

func TestConnectionsThatGiveWayAreCounted(t *testing.T) {
	t.Parallel()
	var traffic server.Traffic
	s := start(t, server.Config{MaxConnections: 2, Traffic: &traffic})
	for range 3 {
		if err := getOn(dialTCP(t, s.addr), "/livez"); err != nil {
			t.Error(err)
		}
	}
	if open, rejected := traffic.Connections(); open != 2 || rejected != 1 {
		t.Errorf("%d connections are open and %d were rejected, want 2 and 1", open, rejected)
	}
}
