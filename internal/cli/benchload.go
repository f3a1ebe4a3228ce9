package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"key-value/client"
	"key-value/internal/contract"
)

// benchGrace is how long after the end of a run its keys expire, if they are not deleted.
const benchGrace = 10 * time.Minute

func newBencher(kv *client.Client, f *benchFlags, timeout time.Duration) *bencher {
	return &bencher{
		kv: kv, flags: f, timeout: timeout, ttl: client.TTL(min(f.duration+benchGrace, contract.MaxTTL)),
		prefix: "kv-bench/" + strings.ToLower(rand.Text()[:8]) + "/",
		value:  []byte(strings.Repeat("x", f.valueBytes)),
	}
}

func (b *bencher) key(i int) string { return fmt.Sprintf("%s%08d", b.prefix, i) }

// chunk returns the number of keys to write in one call of about 1 MiB.
func (b *bencher) chunk() int {
	return max(1, min(contract.MaxOperations, (1<<20)/(b.flags.valueBytes+64)))
}

// fill writes all keys.
func (b *bencher) fill(ctx context.Context) error {
	for begin := 0; begin < b.flags.keys; begin += b.chunk() {
		var ops []client.Operation
		for i := begin; i < min(begin+b.chunk(), b.flags.keys); i++ {
			ops = append(ops, client.OpSet(b.key(i), b.value, b.ttl))
		}
		if err := b.batch(ctx, ops); err != nil {
			return err
		}
	}
	return nil
}

// clean deletes all keys.
func (b *bencher) clean(ctx context.Context) error {
	for begin := 0; begin < b.flags.keys; begin += contract.MaxOperations {
		var ops []client.Operation
		for i := begin; i < min(begin+contract.MaxOperations, b.flags.keys); i++ {
			ops = append(ops, client.OpDelete(b.key(i)))
		}
		if err := b.batch(ctx, ops); err != nil {
			return fmt.Errorf("keys under %s not deleted; they expire within %v: %w", b.prefix, time.Duration(b.ttl), err)
		}
	}
	return nil
}

func (b *bencher) batch(ctx context.Context, ops []client.Operation) error {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	results, err := b.kv.Batch(ctx, ops...)
	if err != nil {
		return err
	}
	for _, result := range results {
		if result.Err != nil {
			return result.Err
		}
	}
	return nil
}

// worker is one of the concurrent clients.
type worker struct {
	reads, writes latencies
	failed        failures
}

// measure runs the clients for the configured duration, or until ctx is done.
func (b *bencher) measure(ctx context.Context) benchReport {
	ctx, cancel := context.WithTimeout(ctx, b.flags.duration)
	defer cancel()
	workers := make([]worker, b.flags.clients)
	for i := range workers {
		workers[i].reads, workers[i].writes = newLatencies(), newLatencies()
	}
	var group sync.WaitGroup
	started := time.Now()
	for i := range workers {
		group.Go(func() { b.work(ctx, &workers[i]) })
	}
	group.Wait()
	return b.report(workers, time.Since(started))
}

// work makes calls until ctx is done. The last one is not canceled, so that it counts like the others.
func (b *bencher) work(ctx context.Context, w *worker) {
	for ctx.Err() == nil {
		key, read := b.key(mathrand.IntN(b.flags.keys)), mathrand.Float64() < b.flags.readRatio
		began := time.Now()
		err := b.call(context.WithoutCancel(ctx), key, read)
		took := time.Since(began)
		w.failed.add(err)
		switch {
		case errors.Is(err, client.ErrUnavailable):
			time.Sleep(time.Millisecond) // do not spin while the store is down
		case err != nil:
		case read:
			w.reads.add(took)
		default:
			w.writes.add(took)
		}
	}
}

func (b *bencher) call(ctx context.Context, key string, read bool) error {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	if !read {
		_, _, err := b.kv.Set(ctx, key, b.value, b.ttl)
		return err
	}
	entry, err := b.kv.Get(ctx, key)
	if err == nil && len(entry.Value) != len(b.value) {
		err = fmt.Errorf("value of %q has %d bytes, want the %d written", key, len(entry.Value), len(b.value))
	}
	return err
}

// longestLatency bounds what a histogram records, and so its size. Longer calls count as this long.
const longestLatency = time.Hour

// latencies is a histogram of durations in nanoseconds, to two significant digits.
type latencies struct{ *hdrhistogram.Histogram }

func newLatencies() latencies { return latencies{hdrhistogram.New(1, int64(longestLatency), 2)} }

func (l latencies) add(d time.Duration) { _ = l.RecordValue(int64(min(d, longestLatency))) }

// latencyStats summarizes latencies, in milliseconds. It is zero if there are none.
type latencyStats struct {
	Count int64   `json:"count"`
	P50   float64 `json:"p50Milliseconds"`
	P90   float64 `json:"p90Milliseconds"`
	P99   float64 `json:"p99Milliseconds"`
	Max   float64 `json:"maxMilliseconds"`
}

func (l latencies) stats() latencyStats {
	ms := func(ns int64) float64 { return float64(time.Duration(ns).Microseconds()) / 1000 }
	return latencyStats{
		l.TotalCount(), ms(l.ValueAtPercentile(50)), ms(l.ValueAtPercentile(90)), ms(l.ValueAtPercentile(99)), ms(l.Max()),
	}
}

// benchReport is the result of a run.
type benchReport struct {
	Seconds             float64      `json:"seconds"`
	Clients             int          `json:"clients"`
	Operations          int64        `json:"operations"`
	OperationsPerSecond float64      `json:"operationsPerSecond"`
	Failed              int          `json:"failed"`
	Gets                latencyStats `json:"gets"`
	Sets                latencyStats `json:"sets"`
}

func (b *bencher) report(workers []worker, took time.Duration) benchReport {
	reads, writes := newLatencies(), newLatencies()
	for _, w := range workers {
		reads.Merge(w.reads.Histogram)
		writes.Merge(w.writes.Histogram)
		b.failed.merge(w.failed)
	}
	n := reads.TotalCount() + writes.TotalCount()
	return benchReport{
		Seconds: took.Seconds(), Clients: len(workers), Operations: n, OperationsPerSecond: float64(n) / took.Seconds(),
		Failed: b.failed.failed, Gets: reads.stats(), Sets: writes.stats(),
	}
}

func (r benchReport) print(out io.Writer) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%s operations in %.1f s with %d clients: %s/s\n\n",
		readable(r.Operations), r.Seconds, r.Clients, readable(int64(r.OperationsPerSecond)))
	fmt.Fprintf(&text, "%-4s  %12s  %9s  %9s  %9s  %9s\n", "", "COUNT", "P50", "P90", "P99", "MAX")
	for _, row := range []struct {
		name string
		latencyStats
	}{{"get", r.Gets}, {"set", r.Sets}} {
		fmt.Fprintf(&text, "%-4s  %12s  %6.2f ms  %6.2f ms  %6.2f ms  %6.2f ms\n",
			row.name, readable(row.Count), row.P50, row.P90, row.P99, row.Max)
	}
	_, err := io.WriteString(out, text.String())
	return err
}
