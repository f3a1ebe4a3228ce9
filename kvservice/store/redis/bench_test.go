package redis_test

import (
	"context"
	"fmt"
	"testing"

	"key-value/internal/testkit/rediscluster"
	"key-value/kvservice/store"
	"key-value/kvservice/store/redis"
)

const (
	benchEntries = 20_000
	benchBatch   = 256
)

// filled returns an engine on three primaries with 16-byte keys and 64-byte values.
func filled(b *testing.B) *redis.Engine {
	e := open(b, rediscluster.StartTest(b, rediscluster.Config{Primaries: 3, NodeTimeout: busy}), redis.Options{})
	for first := 0; first < benchEntries; first += 500 {
		if _, err := e.Batch(b.Context(), batchOf(store.Set, first, 500), false); err != nil {
			b.Fatal(err)
		}
	}
	return e
}

func batchOf(kind store.Kind, first, n int) []store.Operation {
	ops := make([]store.Operation, n)
	for i := range ops {
		ops[i] = store.Operation{Kind: kind, Key: fmt.Sprintf("key:%012d", (first+i*7919)%benchEntries), Value: make([]byte, 64)}
	}
	return ops
}

// each calls do concurrently and repeatedly, and reports the time for each of its operations.
func each(b *testing.B, operations int, do func(ctx context.Context, i int) error) {
	b.SetParallelism(8)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if err := do(b.Context(), i*operations); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*operations), "ns/operation")
}

func BenchmarkBatch(b *testing.B) {
	for name, kind := range map[string]store.Kind{"gets": store.Get, "sets": store.Set} {
		b.Run(name, func(b *testing.B) {
			e := filled(b)
			each(b, benchBatch, func(ctx context.Context, i int) error {
				_, err := e.Batch(ctx, batchOf(kind, i, benchBatch), false)
				return err
			})
		})
	}
}

func BenchmarkListPage(b *testing.B) {
	e := filled(b)
	each(b, 1, func(ctx context.Context, i int) error {
		page, err := e.List(ctx, store.ListRequest{Prefix: fmt.Sprintf("key:%010d", i%(benchEntries/100)), Limit: 100, MaxBytes: 1 << 20})
		if err == nil && len(page.Entries) != 100 {
			err = fmt.Errorf("a page has %d entries, want 100", len(page.Entries))
		}
		return err
	})
}
