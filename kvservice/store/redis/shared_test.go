package redis_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"key-value/internal/testkit/rediscluster"
	"key-value/kvservice/store"
	"key-value/kvservice/store/redis"
	"key-value/kvservice/store/storetest"
)

// patience is how long to wait for something that must happen.
const patience = 2 * time.Minute

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

func TestTwoEnginesShareOneStore(t *testing.T) {
	nodes := start(t, rediscluster.Config{Primaries: 3})
	storetest.RunShared(t, open(t, nodes, redis.Options{Shards: 8}), open(t, nodes, redis.Options{}))
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
