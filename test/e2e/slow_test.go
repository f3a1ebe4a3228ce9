package e2e_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// dialSlowly returns a connection to a server whose transfer window is three seconds, so that ten show what takes minutes with
// the default. It is longer than a busy machine holds up a test.
func dialSlowly(t *testing.T) net.Conn {
	t.Helper()
	s := start(t, []string{"KV_API_KEY=" + apiKey}, "serve", "--listen", "127.0.0.1:0", "--transfer-window", "3s")
	conn, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func respond(t *testing.T, r *bufio.Reader) (*http.Response, string) {
	t.Helper()
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Errorf("after %d bytes of the body: %v", len(body), err)
	}
	return res, string(body)
}

// slowly reads at 125 kB/s.
type slowly struct{ net.Conn }

func (s slowly) Read(p []byte) (int, error) {
	time.Sleep(80 * time.Millisecond)
	return s.Conn.Read(p[:min(len(p), 10_000)])
}

func TestSlowButSteadyTransfersAreServed(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	conn := dialSlowly(t)
	if err := conn.(*net.TCPConn).SetReadBuffer(16 << 10); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "PUT /v1/values/large HTTP/1.1\r\nHost: a\r\nX-Api-Key: %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n", apiKey, size)
	for range 32 {
		time.Sleep(250 * time.Millisecond)
		if _, err := io.WriteString(conn, strings.Repeat("x", size/32)); err != nil {
			t.Fatal(err)
		}
	}
	reader := bufio.NewReader(slowly{conn})
	if res, body := respond(t, reader); res.StatusCode != http.StatusCreated {
		t.Fatalf("a body of 1 MiB at 125 kB/s got %d %s", res.StatusCode, body)
	}
	start := time.Now()
	fmt.Fprintf(conn, "GET /v1/values/large HTTP/1.1\r\nHost: a\r\nAccept: text/plain\r\nX-Api-Key: %s\r\n\r\n", apiKey)
	if res, body := respond(t, reader); res.StatusCode != http.StatusOK || len(body) != size {
		t.Errorf("a reader of 125 kB/s got %d with %d bytes in %v", res.StatusCode, len(body), time.Since(start))
	}
}

func TestABodyThatIsTooSlowIsAnswered(t *testing.T) {
	t.Parallel()
	conn := dialSlowly(t)
	fmt.Fprintf(conn, "PUT /v1/values/slow HTTP/1.1\r\nHost: a\r\nX-Api-Key: %s\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\nx", apiKey)
	res, body := respond(t, bufio.NewReader(conn))
	if res.StatusCode != http.StatusRequestTimeout || !strings.Contains(body, "DEADLINE_EXCEEDED") {
		t.Errorf("a stalled body got %d %s, want 408 with DEADLINE_EXCEEDED", res.StatusCode, body)
	}
	if !res.Close {
		t.Error("the connection stays open, want it closed")
	}
}

func TestAnIdleConnectionIsClosedAfterItsTimeout(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"serve", "gateway", "kvservice"} {
		s := start(t, []string{"KV_API_KEY=" + apiKey, "KV_SERVICE_TOKEN=" + apiKey},
			command, "--listen", "127.0.0.1:0", "--idle-timeout", "1s")
		for name, ask := range map[string]string{
			"HTTP/1.1": "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n",
			"HTTP/2":   "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", // and SETTINGS
		} {
			conn, err := net.Dial("tcp", s.Addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(time.Minute))
			if _, err := io.WriteString(conn, ask); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, conn); err != nil { // until the server closes it
				t.Errorf("%s over %s: %v, want the connection closed", command, name, err)
			}
		}
	}
}
