package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"key-value/test/bench/dataset"
	"key-value/test/bench/load"
)

func TestNginxAnswersAsTheStoreDoes(t *testing.T) {
	if err := load.Installed("nginx"); err != nil {
		if os.Getenv("KV_REQUIRE_PROXIES") == "1" && runtime.GOOS == "linux" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Etag", `"18cr689qkxnkq-1"`)
		w.Header().Set("Vary", "Accept, X-Api-Key, Authorization")
		_, _ = io.WriteString(w, `{"value":"`+dataset.Value(read)+`"}`+"\n")
	}))
	defer store.Close()
	s, err := newServers(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	s.once["server "+oneProcess] = func() (string, error) { return strings.TrimPrefix(store.URL, "http://"), nil }
	for _, name := range []string{nginx, nginx + overTLS} {
		wantHeader, want := get(t, store.URL)
		url, err := s.url(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		header, body := get(t, url)
		if body != want {
			t.Errorf("%s sent %q, want %q", name, body, want)
		}
		for _, h := range []http.Header{header, wantHeader} {
			h.Del("Date")
			h.Del("Server")
			h.Del("Connection")
		}
		if !reflect.DeepEqual(header, wantHeader) {
			t.Errorf("%s sent %v, want %v", name, header, wantHeader)
		}
	}
}

func get(t *testing.T, url string) (http.Header, string) {
	t.Helper()
	c, err := dial(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	header, body, err := c.exchange(nginxDialect.get(dataset.Key(read)))
	if err != nil {
		t.Fatal(err)
	}
	return header, body
}
