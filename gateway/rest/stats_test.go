package rest_test

import (
	"encoding/json"
	"testing"
	"time"
)

func TestStats(t *testing.T) {
	t.Parallel()
	addr := startReal(t)
	send(t, addr, exchange{request: "GET /v1/values/hello"})
	send(t, addr, exchange{request: "GET /v1/values/nope"})
	got := send(t, addr, exchange{request: "GET /v1/stats"})
	var stats struct {
		Keys, MemoryBytes, MaxMemoryBytes, Hits, Misses, Expirations, Evictions, Watchers *int64

		StartTime  time.Time
		Uptime     string
		Guarantees struct {
			Engine                                                              string
			Linearizable, LinearizableAcrossFailover, AtomicAcrossKeys, Durable *bool
		}
	}
	if err := json.Unmarshal([]byte(got.text), &stats); err != nil {
		t.Fatalf("GET /v1/stats = %d %s: %v", got.StatusCode, got.text, err)
	}
	if *stats.Keys != 5 || *stats.MemoryBytes <= 0 || *stats.MaxMemoryBytes != 0 || *stats.Hits != 1 || *stats.Misses != 1 ||
		*stats.Expirations != 0 || *stats.Evictions != 0 || *stats.Watchers != 0 {
		t.Errorf("GET /v1/stats = %s, want 5 keys, 1 hit and 1 miss", got.text)
	}
	if uptime, err := time.ParseDuration(stats.Uptime); err != nil || uptime < 0 || time.Since(stats.StartTime) > time.Hour {
		t.Errorf("uptime %q since %v, want how long the test has run", stats.Uptime, stats.StartTime)
	}
	g := stats.Guarantees
	if g.Engine != "memory" || !*g.Linearizable || *g.LinearizableAcrossFailover || !*g.AtomicAcrossKeys || *g.Durable {
		t.Errorf("guarantees are %s, want those of the memory engine", got.text)
	}
	for _, e := range []exchange{
		{request: "HEAD /v1/stats", status: 200},
		{request: "GET /v1/stats?x=1", status: 400, reason: "REQUEST_INVALID", detail: `"x"`},
		{request: "GET /v1/stats", header: []string{"Accept: text/html, *; q=.2"}, status: 200},
		{request: "GET /v1/stats", header: []string{"Accept: text/html"}, status: 406, reason: "NOT_ACCEPTABLE"},
	} {
		e.check(t, send(t, addr, e))
	}
}
