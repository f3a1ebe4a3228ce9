package rest_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"key-value/gateway/rest"
	keyvaluev1 "key-value/gen/keyvalue/v1"
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
		{request: "HEAD /v1/stats?history=true", status: 200},
		{request: "GET /v1/stats?history=15m", status: 400, reason: "REQUEST_INVALID", detail: `want true or false`},
		{request: "GET /v1/stats", header: []string{"Accept: text/html, *; q=.2"}, status: 200},
		{request: "GET /v1/stats", header: []string{"Accept: text/html"}, status: 406, reason: "NOT_ACCEPTABLE"},
	} {
		e.check(t, send(t, addr, e))
	}
}

// recorded answers GetStats, with its history on request.
type recorded struct {
	client  // nil: no other RPC is called
	history []*keyvaluev1.StatsSample
}

func (r recorded) GetStats(_ context.Context, req *keyvaluev1.GetStatsRequest) (*keyvaluev1.GetStatsResponse, error) {
	if !req.GetHistory() {
		return &keyvaluev1.GetStatsResponse{}, nil
	}
	return &keyvaluev1.GetStatsResponse{History: r.history}, nil
}

func TestTheHistoryOfTheStatisticsIsGivenOnRequest(t *testing.T) {
	t.Parallel()
	addr := start(t, recorded{history: []*keyvaluev1.StatsSample{
		{Age: durationpb.New(65*time.Second + 1234567), Keys: 1, MemoryBytes: 20, Hits: 3, Misses: 4},
		{Age: durationpb.New(0)},
	}}, rest.Config{})
	for query, want := range map[string]string{
		"": "", "?history=false": "",
		"?history=true": `"history":[{"age":"1m5.001s","keys":1,"memoryBytes":20,"hits":3,"misses":4},` +
			`{"age":"0s","keys":0,"memoryBytes":0,"hits":0,"misses":0}]}`,
	} {
		got := send(t, addr, exchange{request: "GET /v1/stats" + query})
		if got.StatusCode != 200 || !strings.Contains(got.text, want) || strings.Contains(got.text, "history") != (want != "") {
			t.Errorf("GET /v1/stats%s = %d %s, want %s in it", query, got.StatusCode, got.text, want)
		}
	}
	got := send(t, startReal(t), exchange{request: "GET /v1/stats?history=true"})
	if !strings.Contains(got.text, `"history":[]`) {
		t.Errorf("GET /v1/stats?history=true of a service that takes no samples = %s, want an empty history", got.text)
	}
}

// The first page of the console reads the history, and has to stay small.
func TestAFullHistoryIsCompressed(t *testing.T) {
	t.Parallel()
	var full recorded
	random := rand.New(rand.NewPCG(1, 2))
	for i := range int64(180) {
		full.history = append(full.history, &keyvaluev1.StatsSample{
			Age: durationpb.New(time.Duration(180-i)*5*time.Second + time.Duration(random.IntN(1e9))), Keys: 1e6 + random.Int64N(1e4),
			MemoryBytes: 1e9 + random.Int64N(1e7), Hits: 1e9 + i*1e5 + random.Int64N(1e4), Misses: 1e7 + i*1e4 + random.Int64N(1e3),
		})
	}
	addr := start(t, full, rest.Config{})
	plain := send(t, addr, exchange{request: "GET /v1/stats?history=true", header: []string{"Accept-Encoding: br, gzip;q=0"}})
	got := send(t, addr, exchange{request: "GET /v1/stats?history=true", header: []string{"Accept-Encoding: br, gzip"}})
	if got.Header.Get("Content-Encoding") != "gzip" || len(got.text) > 8000 || plain.Header.Get("Content-Encoding") != "" {
		t.Fatalf("%d bytes encoded as %v, and %d as %v, want gzip on request and at most 8000 bytes",
			len(got.text), got.Header["Content-Encoding"], len(plain.text), plain.Header["Content-Encoding"])
	}
	r, err := gzip.NewReader(strings.NewReader(got.text))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(r); err != nil || string(text) != plain.text {
		t.Errorf("uncompressed it is %d bytes, %v, want the %d of the plain response", len(text), err, len(plain.text))
	}
	t.Logf("%d bytes, compressed to %d", len(plain.text), len(got.text))
}
