package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"key-value/kvservice/store"
)

// RunShared tests two engines on the same data, which are used alternately: a client may reach a different kvservice with
// each call. The data must be empty.
func RunShared(t *testing.T, a, b store.Engine) {
	t.Run("each expiry is one change, although two sweepers find it", func(t *testing.T) { checkSharedExpiry(t, a, b) })
	e := &alternately{a: a, b: b, turn: make(chan bool, 1)}
	e.turn <- true
	t.Run("calls are linearizable", func(t *testing.T) {
		for seed := range uint64(10) {
			w := Workload{Clients: 6, Calls: 40, Batches: seed%2 == 0, Seed: seed}
			for i := range 3 {
				w.Keys = append(w.Keys, colocated(fmt.Sprint(seed))+fmt.Sprint(i))
			}
			if err := CheckLinearizable(w.Run(t.Context(), e), searchPatience); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
	})
	t.Run("calls return what a map would", func(t *testing.T) { CheckModel(t, t.Context(), e, "model/") })
	t.Run("one engine resumes the watch of the other", func(t *testing.T) {
		j := Journal{Prefix: "journal/", Writers: 4, Changes: 100, Seed: 1}
		events := 0
		f := &Follower{
			Store: e, Request: store.WatchRequest{Prefix: j.Prefix}, Last: j.Last(),
			Cut: func() bool { events++; return events%10 == 0 },
		}
		if err := f.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		written := make(chan []Change, 1)
		go func() {
			changes, err := j.Write(t.Context(), e)
			if err != nil {
				t.Error(err)
			}
			written <- changes
		}()
		heard, err := f.Events(t.Context())
		if err := errors.Join(err, CheckWatch(<-written, heard, false)); err != nil {
			t.Fatal(err)
		}
	})
}

// checkSharedExpiry checks that a watch of a hears once of the expiry of each entry that b has written.
func checkSharedExpiry(t *testing.T, a, b store.Engine) {
	w := open(t, a, store.WatchRequest{Prefix: "brief/"})
	defer w.Close()
	next(t, w) // the first sync
	const keys = 500
	var ops []store.Operation
	for i := range keys {
		op := set(fmt.Sprint("brief/", i), "v")
		op.TTL = 20 * time.Millisecond
		ops = append(ops, op)
	}
	if _, err := b.Batch(t.Context(), ops, false); err != nil {
		t.Fatal(err)
	}
	expired := map[string]int{}
	for range 2 * keys {
		if event := next(t, w); event.Type == store.Expired {
			expired[event.Entry.Key]++
		}
	}
	if len(expired) != keys {
		t.Errorf("%d of %d keys have an expiry event", len(expired), keys)
	}
	if stats := statsOf(t, b); stats.Expirations != keys || stats.Keys != 0 {
		t.Errorf("stats are %+v, want %d expirations and no key", stats, keys)
	}
	do(t, b, set("brief/end", ""))
	wantEvent(t, w, store.Put, "brief/end", "")
	do(t, b, store.Operation{Kind: store.Delete, Key: "brief/end"})
}

// alternately is two engines on the same data, used alternately.
type alternately struct {
	a, b store.Engine
	turn chan bool
}

func (e *alternately) one() store.Engine {
	first := <-e.turn
	e.turn <- !first
	if first {
		return e.a
	}
	return e.b
}

func (e *alternately) Do(ctx context.Context, op store.Operation) (store.Result, error) {
	return e.one().Do(ctx, op)
}

func (e *alternately) Batch(ctx context.Context, ops []store.Operation, atomic bool) ([]store.Result, error) {
	return e.one().Batch(ctx, ops, atomic)
}

func (e *alternately) List(ctx context.Context, req store.ListRequest) (store.Page, error) {
	return e.one().List(ctx, req)
}

func (e *alternately) DeleteRange(ctx context.Context, req store.RangeRequest) (store.RangeResult, error) {
	return e.one().DeleteRange(ctx, req)
}

func (e *alternately) Watch(ctx context.Context, req store.WatchRequest) (store.Watcher, error) {
	return e.one().Watch(ctx, req)
}
