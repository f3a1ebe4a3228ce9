package observe_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"testing"

	"key-value/internal/observe"
)

// metrics stands in for real metrics.
var metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "kv_keys 1\n") })

// probes stands in for real probes.
var probes = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "probed "+r.URL.Path) })

// start serves an admin address until the end of the test, and returns its URL.
func start(t *testing.T) string {
	t.Helper()
	var lines bytes.Buffer
	s, err := observe.ListenAdmin(context.Background(), "127.0.0.1:0", observe.AdminHandlers{Metrics: metrics, Rest: probes}, slog.New(slog.NewTextHandler(&lines, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	addr := regexp.MustCompile(`addr=(\S+)`).FindStringSubmatch(lines.String())
	if addr == nil {
		t.Fatalf("the log has no admin address: %s", lines.String())
	}
	return "http://" + addr[1]
}

func TestMetricsProfilesAndProbesAreServed(t *testing.T) {
	url := start(t)
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/goroutine?debug=1", "/debug/pprof/cmdline", "/livez"} {
		res, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK || len(body) == 0 {
			t.Errorf("GET %s: %s, %d bytes, %v", path, res.Status, len(body), err)
		}
	}
}

func TestListenAdminFailsOnAUsedAddress(t *testing.T) {
	url := start(t)
	if s, err := observe.ListenAdmin(context.Background(), url[len("http://"):], observe.AdminHandlers{Metrics: metrics, Rest: probes}, slog.New(slog.DiscardHandler)); err == nil {
		s.Close()
		t.Error("two admin servers listen on the same address")
	}
}
