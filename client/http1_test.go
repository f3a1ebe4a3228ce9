package client_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"

	"key-value/client"
	"key-value/internal/auth"
	"key-value/kvservice"
)

// serveHTTP1 serves a new store by a proxy that speaks HTTP/1.1 only. It returns the URL of the proxy, and how many requests
// have reached the store.
func serveHTTP1(t *testing.T, keys *auth.Keys) (proxied string, requests *atomic.Int64) {
	t.Helper()
	requests = new(atomic.Int64)
	store, err := url.Parse(serve(t, kvservice.New(newEngine(t), kvservice.Config{}), keys))
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(store)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	forward.Transport, forward.FlushInterval = transport, -1
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost { // not the preface of HTTP/2, which this server takes for a request
			requests.Add(1)
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, requests
}

// A peer at http:// may speak HTTP/1.1 only, as nginx does. Each call reaches it once, the first one too.
func TestAClientFallsBackToHTTP11(t *testing.T) {
	t.Parallel()
	url, requests := serveHTTP1(t, nil)
	kv := dial(t, url)
	entry, created, err := kv.Set(bounded(t), "a", []byte("1"), client.IfAbsent())
	if err != nil || !created {
		t.Fatalf("Set as the first call = %v, %v", created, err)
	}
	if n := requests.Load(); n != 1 {
		t.Errorf("the first call reached the server %d times", n)
	}
	if got, err := kv.Get(bounded(t), "a"); err != nil || string(got.Value) != "1" || got.ETag != entry.ETag {
		t.Errorf("Get = %+v, %v", got, err)
	}
	if n, err := kv.Increment(bounded(t), "n", 5); err != nil || n != 5 {
		t.Errorf("Increment = %d, %v", n, err)
	}
	if _, err := kv.Get(bounded(t), "none"); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("Get of no key = %v", err)
	}
	if results, err := kv.Batch(bounded(t), client.OpGet("a"), client.OpDelete("a")); err != nil || len(results) != 2 {
		t.Errorf("Batch = %v, %v", results, err)
	}
}

func TestManyFirstCallsFallBackToHTTP11AtOnce(t *testing.T) {
	t.Parallel()
	url, _ := serveHTTP1(t, nil)
	kv := dial(t, url)
	errs := make(chan error)
	for range 50 {
		go func() {
			_, err := kv.Increment(bounded(t), "n", 1)
			errs <- err
		}()
	}
	for range 50 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	wantValue(t, kv, "n", "50")
}

func TestAWatchFallsBackToHTTP11(t *testing.T) {
	t.Parallel()
	url, _ := serveHTTP1(t, nil)
	kv := dial(t, url)
	seen := 0
	for event, err := range kv.Watch(bounded(t), "a", client.FromSnapshot()) {
		if err != nil {
			t.Fatal(err)
		}
		if seen++; seen == 1 { // the end of the snapshot
			mustSet(t, kv, "a", "1")
			continue
		}
		if event.Entry.Key != "a" {
			t.Errorf("the event is %+v, want that of a", event)
		}
		break
	}
	if seen == 0 {
		t.Error("the watch ended without an event")
	}
}
