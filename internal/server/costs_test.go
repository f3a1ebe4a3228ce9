package server_test

import (
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"key-value/internal/testkit/proc"
	"key-value/internal/testkit/wiretest"
)

// What a busy connection or a stopped reader leaves behind must not stay. Task costs measures what is left more exactly.
func TestIdleConnectionsAndStoppedReadersCostLittle(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it reads /proc")
	}
	file, err := proc.BuildKV(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		conns int
		most  int64 // for each, in bytes
		open  func(p *wiretest.Peer)
		puts  int // values of 1,000 bytes that are put then
	}{
		{"HTTP/2 after a response of 40 kB", 300, 64 << 10, func(p *wiretest.Peer) {
			p.Request(1, p.Block(":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/v1/values/large", "x-api-key", "secret"), nil)
			if got := p.Outcome(1); got != "200" {
				t.Errorf("a request gets %s, want 200", got)
			}
		}, 0},
		{"gRPC, watching without reading", 100, 240 << 10, func(p *wiretest.Peer) {
			p.Request(1, p.Post("/keyvalue.v1.KeyValueService/Watch", grpcs, "te", "trailers", "x-api-key", "secret"),
				wiretest.Message([]byte("\x12\x02w/"))) // prefix
		}, 1000},
	} {
		t.Run(test.name, func(t *testing.T) {
			var group proc.Group
			t.Cleanup(group.Kill)
			// The collector runs as often as it does for a large heap, so that there is little garbage.
			p, err := group.Serve(t.Context(), proc.KV(file, []string{"KV_API_KEY=secret", "GOGC=15"}, "serve", "--listen", "127.0.0.1:0"))
			if err != nil {
				t.Fatal(err)
			}
			putValue(t, p.Addr, "large", 40_000)
			before, err := proc.Memory(p.Pid(), "VmRSS")
			if err != nil {
				t.Fatal(err)
			}
			for range test.conns {
				peer := wiretest.DialPeer(t, "http://"+p.Addr)
				peer.Greet()
				test.open(peer)
			}
			for i := range test.puts {
				putValue(t, p.Addr, "w/"+strconv.Itoa(i%10), 1000)
			}
			after, err := proc.Memory(p.Pid(), "VmRSS")
			if err != nil {
				t.Fatal(err)
			}
			each := (after - before) / int64(test.conns)
			t.Logf("%d KiB each", each>>10)
			if each > test.most {
				t.Errorf("each takes %d KiB, want at most %d", each>>10, test.most>>10)
			}
		})
	}
}

func putValue(t *testing.T, addr, key string, size int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+addr+"/v1/values/"+key, strings.NewReader(strings.Repeat("x", size)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Api-Key", "secret")
	r.Header.Set("Content-Type", "text/plain")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode >= http.StatusBadRequest {
		t.Fatalf("put %s = %d, %v", key, res.StatusCode, err)
	}
}
