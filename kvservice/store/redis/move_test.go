package redis_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"key-value/internal/testkit/rediscluster"
	"key-value/kvservice/store"
	"key-value/kvservice/store/redis"
)

func TestWritesWaitForASlotThatMoves(t *testing.T) {
	nodes := start(t, rediscluster.Config{Primaries: 2, NodeTimeout: busy})
	e := open(t, nodes, redis.Options{Shards: 4})
	for i := range 100 {
		do(t, e, set(fmt.Sprint("{x}", i), "0"))
	}
	increment := store.Operation{Kind: store.Increment, Key: "{x}7", Delta: 1}
	for range 3 { // there and back
		before := do(t, e, store.Operation{Kind: store.Get, Key: increment.Key}).Entry
		m := beginMove(t, nodes, "{x}50")

		brief, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		_, err := e.Do(brief, increment)
		cancel()
		if !errors.Is(err, store.ErrUnavailable) && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a write for which the slot moves too long = %v, want ErrUnavailable or its deadline", err)
		}

		var moved atomic.Bool
		var sum atomic.Int64
		var writing sync.WaitGroup
		for writer := range 4 {
			writing.Go(func() {
				for n := 0; n == 0 || !moved.Load(); n++ {
					fresh := fmt.Sprint("{x}new/", writer, "/", m.slot, "/", m.to.Addr(), "/", n)
					if err := errors.Join(
						doing(t, e, increment),
						doing(t, e, set(fresh, "1")),
						batching(t, e, true, increment, set(fresh, "2")),
						batching(t, e, false, increment, set(fresh, "3"), set(fmt.Sprint("elsewhere", n), "1")),
						doing(t, e, store.Operation{Kind: store.Delete, Key: fresh}),
					); err != nil {
						t.Errorf("a write while the slot moves: %v", err)
					}
					sum.Add(3)
				}
			})
		}
		m.finish(t)
		moved.Store(true)
		writing.Wait()
		after := do(t, e, store.Operation{Kind: store.Get, Key: increment.Key}).Entry
		if got, want := string(after.Value), fmt.Sprint(number(t, before.Value)+sum.Load()); got != want {
			t.Errorf("the sum is %s, want %s", got, want)
		}
		if after.Version.Revision <= before.Version.Revision {
			t.Errorf("the revision went from %d to %d", before.Version.Revision, after.Version.Revision)
		}
	}
}

func doing(t *testing.T, e store.Engine, op store.Operation) error {
	_, err := e.Do(t.Context(), op)
	return err
}

func batching(t *testing.T, e store.Engine, atomic bool, ops ...store.Operation) error {
	results, err := e.Batch(t.Context(), ops, atomic)
	for _, r := range results {
		if err == nil {
			err = r.Err
		}
	}
	return err
}

func number(t *testing.T, value []byte) (n int64) {
	t.Helper()
	if _, err := fmt.Sscan(string(value), &n); err != nil {
		t.Fatal(err)
	}
	return n
}
