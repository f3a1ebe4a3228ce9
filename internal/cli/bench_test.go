package cli

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestABenchLeavesTheStoreAsItWas(t *testing.T) {
	t.Parallel()
	env := serving(t)
	check(t, env, "", "set mine x", wants{})
	check(t, env, "", "bench --duration 50ms --clients 3 --keys 1500 --read-ratio 0.5", wants{
		out: `[\d,]+ operations in [\d.]+ s with 3 clients: [\d,]+/s\n\n +COUNT .*\nget .*\nset .* ms\n`,
		err: `kv: writing 1,500 keys under kv-bench/\w+/\nkv: measuring for 50ms with 3 clients\n`,
	})
	check(t, env, "", "bench --duration 50ms --keys 1 --value-bytes 0 -o json", wants{
		out: `\{"seconds":[\d.]+,"clients":64,"operations":\d+,"operationsPerSecond":[\d.]+,"failed":0,"gets":\{"count":\d+,.*\}\n`,
		err: `.*`,
	})
	check(t, env, "", "ls --keys", wants{out: "mine\n"})
}

func TestInvalidBenchFlags(t *testing.T) {
	t.Parallel()
	for _, flags := range []string{"--clients 0", "--duration 0s", "--read-ratio 1.1", "--read-ratio NaN", "--keys 0", "--value-bytes -1", "--value-bytes 1048577"} {
		check(t, nil, "", "bench "+flags, wants{2, "", `kv: invalid --.*: want .*\n`})
	}
	check(t, map[string]string{"KV_URL": "http://127.0.0.1:1"}, "", "bench", wants{5, "", `.*\nkv: .*connection refused.*\n`})
}

// Reported quantiles differ from the true ones by at most 1/64.
func TestQuantiles(t *testing.T) {
	t.Parallel()
	l := newLatencies()
	if got := l.stats(); got != (latencyStats{}) {
		t.Errorf("statistics of no calls = %+v, want zero", got)
	}
	times := make([]time.Duration, 10_000)
	for i := range times {
		times[i] = time.Millisecond + time.Duration(rand.Int64N(1<<rand.IntN(41)))
		l.add(times[i])
	}
	slices.Sort(times)
	got := l.stats()
	if got.Count != int64(len(times)) {
		t.Errorf("Count = %d, want %d", got.Count, len(times))
	}
	for q, got := range map[float64]float64{0.5: got.P50, 0.9: got.P90, 0.99: got.P99, 1: got.Max} {
		want := float64(times[max(0, int(q*float64(len(times)))-1)].Microseconds()) / 1000
		if got < want-want/64 || got > want+want/64 {
			t.Errorf("quantile %v = %v ms, want %v ms", q, got, want)
		}
	}
}

// A call that takes longer than the histogram can record is counted nevertheless.
func TestALatencyBeyondTheLongestIsCounted(t *testing.T) {
	t.Parallel()
	l := newLatencies()
	l.add(2 * longestLatency)
	if got := l.stats(); got.Count != 1 || got.Max < float64(longestLatency.Milliseconds()) {
		t.Errorf("statistics of one call of two hours = %+v", got)
	}
}
