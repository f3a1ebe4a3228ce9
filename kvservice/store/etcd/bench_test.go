package etcd_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"key-value/internal/testkit/etcdcluster"
	"key-value/kvservice/store"
	"key-value/kvservice/store/etcd"
)

const (
	benchCallers = 64
	benchEntries = 20_000
	benchBatch   = 250
)

// BenchmarkBesideTheClient measures the engine and etcd's own client in turns, on the same members.
func BenchmarkBesideTheClient(b *testing.B) {
	for _, n := range []int{1, 3} {
		members := etcdcluster.StartTest(b, etcdcluster.Config{Members: n, Fsync: true})
		e, client, value := open(b, members, etcd.Options{}), members.Members()[0].Client(), make([]byte, 64)
		if leader, err := members.Leader(b.Context()); err == nil {
			client = leader.Client()
		}
		for first := 0; first < benchEntries; first += benchBatch {
			if _, err := e.Batch(b.Context(), batchOf(first), false); err != nil {
				b.Fatal(err)
			}
		}
		for _, c := range []struct {
			name string
			do   func(ctx context.Context, i int) error
		}{
			{"client puts", func(ctx context.Context, i int) error {
				_, err := client.Put(ctx, keyOf(i), string(value))
				return err
			}},
			{"sets", func(ctx context.Context, i int) error {
				_, err := e.Do(ctx, store.Operation{Kind: store.Set, Key: keyOf(i), Value: value})
				return err
			}},
			{"client gets", func(ctx context.Context, i int) error {
				_, err := client.Get(ctx, keyOf(i))
				return err
			}},
			{"gets", func(ctx context.Context, i int) error {
				_, err := e.Do(ctx, store.Operation{Kind: store.Get, Key: keyOf(i)})
				return err
			}},
			{"increments of one key", func(ctx context.Context, i int) error {
				_, err := e.Do(ctx, store.Operation{Kind: store.Increment, Key: "n", Delta: 1})
				return err
			}},
			{"batches of 250 sets", func(ctx context.Context, i int) error {
				_, err := e.Batch(ctx, batchOf(i*benchBatch), false)
				return err
			}},
			{"pages of 100", func(ctx context.Context, i int) error {
				page, err := e.List(ctx, store.ListRequest{Start: keyOf(i), Limit: 100, MaxBytes: 1 << 20})
				if err == nil && len(page.Entries) == 0 {
					err = fmt.Errorf("the page from %s is empty", keyOf(i))
				}
				return err
			}},
		} {
			b.Run(fmt.Sprintf("%s/%d members", c.name, n), func(b *testing.B) { callers(b, c.do) })
		}
	}
}

func keyOf(i int) string { return fmt.Sprintf("key:%012d", i*7919%benchEntries) }

func batchOf(first int) []store.Operation {
	ops := make([]store.Operation, benchBatch)
	for i := range ops {
		ops[i] = store.Operation{Kind: store.Set, Key: keyOf(first + i), Value: make([]byte, 64)}
	}
	return ops
}

// callers makes b.N calls from benchCallers callers.
func callers(b *testing.B, do func(ctx context.Context, i int) error) {
	b.ResetTimer()
	var next atomic.Int64
	var all sync.WaitGroup
	for range benchCallers {
		all.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := do(b.Context(), int(i)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}
