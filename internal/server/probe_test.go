package server_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"key-value/internal/server"
)

func TestProbes(t *testing.T) {
	t.Parallel()
	ready, state := false, server.NewState()
	probed := httptest.NewServer(server.Probes(state, func(context.Context) bool { return ready }, http.NotFoundHandler()))
	t.Cleanup(probed.Close)
	expect := func(method, path string, want int) string {
		t.Helper()
		req, err := http.NewRequest(method, probed.URL+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := probed.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s %s = %d, want %d", method, path, res.StatusCode, want)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Error(err)
		}
		return string(body)
	}
	for _, path := range []string{"/health", "/livez"} {
		expect(http.MethodGet, path, http.StatusOK)
		expect(http.MethodHead, path, http.StatusOK)
		expect(http.MethodPost, path, http.StatusMethodNotAllowed)
	}
	expect(http.MethodGet, "/readyz", http.StatusServiceUnavailable)
	ready = true
	expect(http.MethodGet, "/readyz", http.StatusOK)
	state.Load(42)
	if got := expect(http.MethodGet, "/readyz", http.StatusServiceUnavailable); !strings.Contains(got, "loading its data: 42%") {
		t.Errorf("while data is loaded, /readyz says %s, want that and how much", got)
	}
	expect(http.MethodGet, "/health", http.StatusOK)
	state.Loaded()
	expect(http.MethodGet, "/readyz", http.StatusOK)
	server.Drain(state)
	expect(http.MethodGet, "/readyz", http.StatusServiceUnavailable)
	expect(http.MethodGet, "/livez", http.StatusOK)
	expect(http.MethodGet, "/elsewhere", http.StatusNotFound)
}
