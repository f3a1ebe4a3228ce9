package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"key-value/kvservice/store"
)

var propertyChecks = []Check{
	{"calls one after another return what a map would", func(t T, e store.Engine) {
		CheckModel(t, t.Context(), e, "model/")
	}},
	{"pages have every key that is there throughout once, whatever else is written", func(t T, e store.Engine) {
		var steady []string
		for i := range 50 {
			steady = append(steady, fmt.Sprintf("s/%04d", 2*i))
			do(t, e, set(steady[i], "steady"))
		}
		var written atomic.Int64
		stop := churn(t.Context(), e, &written)
		defer stop()
		for _, limit := range []int{1, 3, 10, 1000} {
			for begin, n := written.Load(), 0; n < 10 || written.Load() < begin+3000; n++ {
				wantSteady(t, pages(t, e, store.ListRequest{Prefix: "s/", Limit: limit}), steady)
			}
		}
	}},
}

// churn writes and deletes keys of the form "s/%04d" with odd numbers, until the function it returns is
// called.
func churn(ctx context.Context, s Store, written *atomic.Int64) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var writers sync.WaitGroup
	for writer := range 2 {
		writers.Go(func() {
			random := rand.New(rand.NewPCG(uint64(writer), 1))
			for ctx.Err() == nil {
				op := set(fmt.Sprintf("s/%04d", 2*random.IntN(50)+1), "churn")
				if random.IntN(2) == 0 {
					op.Kind = store.Delete
				}
				_, _ = s.Do(ctx, op)
				written.Add(1)
			}
		})
	}
	return func() {
		cancel()
		writers.Wait()
	}
}

// wantSteady checks that entries are in order, and that those whose value is steady are all there, once.
func wantSteady(t T, entries []store.Entry, steady []string) {
	t.Helper()
	if keys := keysOf(entries); !slices.IsSorted(keys) || len(slices.Compact(keys)) != len(entries) {
		t.Fatalf("pages have keys out of order or twice: %s", strings.Join(keysOf(entries), " "))
	}
	var seen []store.Entry
	for _, entry := range entries {
		if string(entry.Value) == "steady" {
			seen = append(seen, entry)
		}
	}
	wantKeys(t, seen, steady...)
}
