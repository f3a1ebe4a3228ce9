package load_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"key-value/test/bench/load"
)

// paths is a server that records the paths of requests.
type paths struct {
	mu    sync.Mutex
	asked map[string]bool // guarded by mu
}

func (p *paths) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked[r.URL.Path] = true
}

func TestWrkSendsAllRequests(t *testing.T) {
	if err := load.Installed("wrk"); err != nil {
		t.Skip(err)
	}
	p := &paths{asked: map[string]bool{}}
	server := httptest.NewServer(p)
	defer server.Close()
	requests := load.NewRequests(t.TempDir(), "requests")
	if err := requests.Write([]string{
		"GET /a HTTP/1.1\r\nHost: test\r\n\r\n", "PUT /b HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\n\n1",
		"GET /c HTTP/1.1\r\nHost: test\r\n\r\n",
	}); err != nil {
		t.Fatal(err)
	}
	result, err := load.Wrk(t.Context(), server.URL, requests, 1, 2, 100*time.Millisecond)
	if err != nil || result.PerSecond <= 0 || result.Count < 3 {
		t.Fatalf("result is %v, %v", result, err)
	}
	for _, path := range []string{"/a", "/b", "/c"} {
		if !p.asked[path] {
			t.Errorf("no request for %s", path)
		}
	}
}
