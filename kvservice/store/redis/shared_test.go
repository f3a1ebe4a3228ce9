package redis_test

import (
	"context"
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
