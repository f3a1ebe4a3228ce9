package cli

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestABenchLeavesTheStoreAsItWas(t *testing.T) {
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

func TestABenchThatMakesNoSense(t *testing.T) {
	for _, flags := range []string{"--clients 0", "--duration 0s", "--read-ratio 1.1", "--read-ratio NaN", "--keys 0", "--value-bytes -1", "--value-bytes 1048577"} {
		check(t, nil, "", "bench "+flags, wants{2, "", `kv: --.*: use .*\n`})
	}
	check(t, map[string]string{"KV_URL": "http://127.0.0.1:1"}, "", "bench", wants{5, "", `.*\nkv: .*connection refused.*\n`})
}

// A quantile is never less than the true one, and at most a bucket more.
func TestQuantiles(t *testing.T) {
	var h histogram
	if got := h.quantile(0.5); got != 0 {
		t.Errorf("the median of nothing = %v", got)
	}
	times := make([]time.Duration, 10_000)
	for i := range times {
		times[i] = time.Duration(rand.Int64N(1 << rand.IntN(62)))
		h.add(times[i])
	}
	slices.Sort(times)
	for _, q := range []float64{0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1} {
		want := times[min(int(q*float64(len(times))), len(times)-1)]
		if got := h.quantile(q); got < want || got > want+want/64 {
			t.Errorf("quantile(%v) = %v, want %v", q, got, want)
		}
	}
}
