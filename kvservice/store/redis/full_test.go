package redis_test

import (
	"errors"
	"testing"

	"key-value/internal/testkit/rediscluster"
	"key-value/kvservice/store"
	"key-value/kvservice/store/redis"
)

func TestAFullNodeTakesOutOfABatchWhatNeedsNoRoom(t *testing.T) {
	nodes := rediscluster.StartTest(t, rediscluster.Config{})
	e := open(t, nodes, redis.Options{Shards: 1})
	do(t, e, set("there", "1"))
	do(t, e, set("gone", "1"))
	ask(t, nodes.Nodes()[0], "CONFIG", "SET", "maxmemory", "1")
	results, err := e.Batch(t.Context(), []store.Operation{
		set("new", "1"), get("there"), {Kind: store.Delete, Key: "gone"}, get("gone"),
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	if !errors.Is(results[0].Err, store.ErrFull) {
		t.Errorf("set = %v, want %v", results[0].Err, store.ErrFull)
	}
	if got := results[1]; got.Err != nil || string(got.Entry.Value) != "1" {
		t.Errorf("get = %+v, want 1", got)
	}
	if got := results[2]; got.Err != nil || !got.Changed {
		t.Errorf("delete = %+v, want that it was there", got)
	}
	if !errors.Is(results[3].Err, store.ErrNotFound) {
		t.Errorf("get after the delete = %v, want %v", results[3].Err, store.ErrNotFound)
	}
}
