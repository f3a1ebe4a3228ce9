package redis_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"key-value/internal/testkit/rediscluster"
	"key-value/kvservice/store"
	"key-value/kvservice/store/redis"
)

func TestFullNodeRejectsWritesThatNeedMemory(t *testing.T) {
	nodes := start(t, rediscluster.Config{Lines: []string{"maxmemory 20mb"}})
	e := open(t, nodes, redis.Options{Shards: 4, HistoryBytes: 1 << 20})
	value, n := strings.Repeat("v", 100_000), 0
	for ; n < 1000; n++ {
		_, err := e.Do(t.Context(), set(fmt.Sprint(n), value))
		if errors.Is(err, store.ErrFull) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if n < 50 || n == 1000 {
		t.Fatalf("20 MB were full after %d values of 100 kB, want 50 to 999", n)
	}
	if len(do(t, e, get("0")).Entry.Value) != len(value) {
		t.Error("a full node does not serve reads")
	}
	if stats, err := e.Stats(t.Context()); err != nil || stats.MaxMemory != 20<<20 {
		t.Errorf("stats are %+v, %v; want MaxMemory 20 MB", stats, err)
	}
	for i := range 30 {
		if !do(t, e, store.Operation{Kind: store.Delete, Key: fmt.Sprint(i)}).Changed {
			t.Errorf("%d was not deleted", i)
		}
	}
	eventually(t, "write after the deletes", func() error {
		_, err := e.Do(t.Context(), set("new", value))
		return err
	})
}

func TestStoppedStoreIsUnavailable(t *testing.T) {
	nodes := start(t, rediscluster.Config{})
	e := open(t, nodes, redis.Options{Shards: 4})
	do(t, e, set("k", "v"))
	if err := nodes.Nodes()[0].Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "wait for ErrUnavailable", func() error {
		_, err := e.Do(t.Context(), set("k", "w"))
		return unless(errors.Is(err, store.ErrUnavailable), err)
	})
	_, err := e.Do(t.Context(), get("k"))
	wantError(t, "get", err, store.ErrUnavailable)
	_, err = e.List(t.Context(), store.ListRequest{Limit: 1, MaxBytes: 1})
	wantError(t, "list", err, store.ErrUnavailable)
	_, err = e.Watch(t.Context(), store.WatchRequest{})
	wantError(t, "watch", err, store.ErrUnavailable)
	_, err = e.Stats(t.Context())
	wantError(t, "stats", err, store.ErrUnavailable)
	results, err := e.Batch(t.Context(), []store.Operation{get("k"), set("l", "v")}, false)
	if err != nil || !errors.Is(results[0].Err, store.ErrUnavailable) || !errors.Is(results[1].Err, store.ErrUnavailable) {
		t.Errorf("batch = %+v, %v", results, err)
	}
	_, err = e.Batch(t.Context(), []store.Operation{set("l", "v")}, true)
	wantError(t, "atomic batch", err, store.ErrUnavailable)
}

func TestNodeThatCannotWriteIsUnavailable(t *testing.T) {
	nodes := start(t, rediscluster.Config{})
	e := open(t, nodes, redis.Options{Shards: 4})
	node := nodes.Nodes()[0]
	for name, lines := range map[string][][]string{
		"it requires replicas": {{"CONFIG", "SET", "min-replicas-to-write", "1"}, {"CONFIG", "SET", "min-replicas-to-write", "0"}},
		"it is a replica":      {{"REPLICAOF", "127.0.0.1", "1"}, {"REPLICAOF", "NO", "ONE"}},
	} {
		t.Run(name, func(t *testing.T) {
			ask(t, node, lines[0]...)
			_, err := e.Do(t.Context(), set("k", "v"))
			wantError(t, "set", err, store.ErrUnavailable)
			_, err = e.Do(t.Context(), store.Operation{Kind: store.Delete, Key: "k"})
			wantError(t, "delete", err, store.ErrUnavailable)
			ask(t, node, lines[1]...)
			do(t, e, set("k", "v"))
		})
	}
}

func TestClusterWithoutAllSlotsIsUnavailable(t *testing.T) {
	nodes := start(t, rediscluster.Config{Primaries: 3})
	e := open(t, nodes, redis.Options{Shards: 8})
	if err := nodes.Nodes()[1].Kill(); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		eventually(t, "wait for ErrUnavailable", func() error {
			_, err := e.Do(t.Context(), set(fmt.Sprint("k", i), "v"))
			return unless(errors.Is(err, store.ErrUnavailable), err)
		})
	}
	_, err := e.List(t.Context(), store.ListRequest{Limit: 1, MaxBytes: 1})
	wantError(t, "list", err, store.ErrUnavailable)
}

func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s = %v, want %v", what, err, want)
	}
}

// unless returns nil if ok, and an error otherwise.
func unless(ok bool, err error) error {
	if ok {
		return nil
	}
	return fmt.Errorf("unexpected result: %v", err)
}

func TestFullNodePerformsTheRestOfABatch(t *testing.T) {
	nodes := start(t, rediscluster.Config{})
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
		t.Errorf("delete = %+v, want Changed", got)
	}
	if !errors.Is(results[3].Err, store.ErrNotFound) {
		t.Errorf("get after the delete = %v, want %v", results[3].Err, store.ErrNotFound)
	}
}
