package redis_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"key-value/internal/testkit/rediscluster"
	"key-value/kvservice/store"
	"key-value/kvservice/store/redis"
	"key-value/kvservice/store/storetest"
)

// patience is how long to wait for something that must happen.
const patience = 30 * time.Second

func set(key, value string) store.Operation {
	return store.Operation{Kind: store.Set, Key: key, Value: []byte(value)}
}

func get(key string) store.Operation { return store.Operation{Kind: store.Get, Key: key} }

func do(t *testing.T, e store.Engine, op store.Operation) store.Result {
	t.Helper()
	result, err := e.Do(t.Context(), op)
	if err != nil {
		t.Fatalf("operation on %q: %v", op.Key, err)
	}
	return result
}

// next returns the next event of w, which must come.
func next(t *testing.T, w store.Watcher) store.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	event, err := w.Next(ctx)
	if err != nil {
		t.Fatalf("next event: %v", err)
	}
	return event
}

// eventually calls try until it succeeds.
func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if err = try(); err == nil {
			return
		}
	}
	t.Fatalf("%s: %v", what, err)
}

// alternately is two engines on the same data, used alternately.
type alternately struct {
	a, b store.Engine
	turn chan bool
}

func both(a, b store.Engine) *alternately {
	e := &alternately{a: a, b: b, turn: make(chan bool, 1)}
	e.turn <- true
	return e
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

// A client may reach a different kvservice with each call.
func TestTwoEnginesShareOneStore(t *testing.T) {
	nodes := start(t, rediscluster.Config{Primaries: 3})
	e := both(open(t, nodes, redis.Options{Shards: 8}), open(t, nodes, redis.Options{}))
	t.Run("calls are linearizable", func(t *testing.T) {
		for seed := range uint64(10) {
			w := storetest.Workload{Clients: 6, Calls: 40, Batches: seed%2 == 0, Seed: seed}
			for i := range 3 {
				w.Keys = append(w.Keys, fmt.Sprintf("{%d}/%d", seed, i))
			}
			if err := storetest.CheckLinearizable(w.Run(t.Context(), e), patience); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
	})
	t.Run("calls return what a map would", func(t *testing.T) { storetest.CheckModel(t, t.Context(), e, "model/") })
	t.Run("one engine resumes the watch of the other", func(t *testing.T) {
		j := storetest.Journal{Prefix: "journal/", Writers: 4, Changes: 100, Seed: 1}
		events := 0
		f := &storetest.Follower{
			Store: e, Request: store.WatchRequest{Prefix: j.Prefix}, Last: j.Last(),
			Cut: func() bool { events++; return events%10 == 0 },
		}
		if err := f.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		written := make(chan []storetest.Change, 1)
		go func() {
			changes, err := j.Write(t.Context(), e)
			if err != nil {
				t.Error(err)
			}
			written <- changes
		}()
		heard, err := f.Events(t.Context())
		if err := errors.Join(err, storetest.CheckWatch(<-written, heard, false)); err != nil {
			t.Fatal(err)
		}
	})
}

func TestEachExpiryIsOneChange(t *testing.T) {
	nodes := start(t, rediscluster.Config{})
	a, b := open(t, nodes, redis.Options{Shards: 4}), open(t, nodes, redis.Options{})
	w, err := a.Watch(t.Context(), store.WatchRequest{Prefix: "k"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	next(t, w)
	const keys = 500
	for i := range keys {
		op := set(fmt.Sprint("k", i), "v")
		op.TTL = 20 * time.Millisecond
		do(t, b, op)
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
	do(t, b, set("k-end", ""))
	if event := next(t, w); event.Entry.Key != "k-end" {
		t.Errorf("unexpected event of %q", event.Entry.Key)
	}
	stats, err := b.Stats(t.Context())
	if err != nil || stats.Expirations != keys || stats.Keys != 1 {
		t.Errorf("stats are %+v, %v, want %d expirations and one key", stats, err, keys)
	}
}

func TestFunctionsAreReloaded(t *testing.T) {
	nodes := start(t, rediscluster.Config{})
	e := open(t, nodes, redis.Options{Shards: 4})
	do(t, e, set("k", "1"))
	ask(t, nodes.Nodes()[0], "FUNCTION", "FLUSH")
	do(t, e, set("k", "2"))
	if got := do(t, e, get("k")).Entry.Value; string(got) != "2" {
		t.Errorf("k has %q, want 2", got)
	}
}
