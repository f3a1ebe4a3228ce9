package redis_test

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"key-value/internal/testkit/rediscluster"
	"key-value/kvservice/store"
	"key-value/kvservice/store/redis"
)

// The node timeout keeps the others from noticing the failure during the test: a cluster that lacks a node does
// nothing at all.
func TestHungNodeDoesNotBlockOthers(t *testing.T) {
	nodes := start(t, rediscluster.Config{Primaries: 3, NodeTimeout: time.Minute})
	e := open(t, nodes, redis.Options{Shards: 8})
	do(t, e, set("here", "1"))
	here := homeOf(t, nodes, "here")
	elsewhere := keyElsewhere(t, e, nodes, here)
	w := watch(t, e, store.WatchRequest{Key: elsewhere})
	if err := here.Primary.Pause(); err != nil {
		t.Fatal(err)
	}
	do(t, e, set(elsewhere, "2"))
	if event := next(t, w); string(event.Entry.Value) != "2" {
		t.Errorf("the watch has value %q, want 2", event.Entry.Value)
	}
	if err := here.Primary.Continue(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "use the node again after it hung", func() error {
		_, err := e.Do(t.Context(), set("here", "2"))
		return err
	})
}

func TestLostShardEndsOnlyItsWatches(t *testing.T) {
	nodes := start(t, rediscluster.Config{
		Primaries: 3, Lines: []string{"cluster-require-full-coverage no"},
	})
	e := open(t, nodes, redis.Options{Shards: 8})
	do(t, e, set("here", "1"))
	here := homeOf(t, nodes, "here")
	elsewhere := keyElsewhere(t, e, nodes, here)
	all := watch(t, e, store.WatchRequest{})
	one := watch(t, e, store.WatchRequest{Key: elsewhere})
	do(t, e, set(elsewhere, "2"))
	for _, w := range []store.Watcher{all, one} {
		if event := next(t, w); string(event.Entry.Value) != "2" {
			t.Fatalf("the watch has value %q, want 2", event.Entry.Value)
		}
	}
	if err := here.Primary.Kill(); err != nil {
		t.Fatal(err)
	}
	wantError(t, "the watch of all keys", ending(t, all), store.ErrUnavailable)
	do(t, e, set(elsewhere, "3"))
	if event := next(t, one); string(event.Entry.Value) != "3" {
		t.Errorf("the watch of a key elsewhere has value %q, want 3", event.Entry.Value)
	}
	if err := here.Primary.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "watch all keys again", func() error {
		w, err := e.Watch(t.Context(), store.WatchRequest{})
		if err != nil {
			return err
		}
		defer w.Close()
		next(t, w)
		do(t, e, set("here", "2"))
		event, err := w.Next(t.Context())
		if err == nil && string(event.Entry.Value) != "2" {
			err = errors.New("another event came first")
		}
		return err
	})
	do(t, e, set(elsewhere, "4"))
	if event := next(t, one); string(event.Entry.Value) != "4" {
		t.Errorf("the watch of a key elsewhere has value %q, want 4", event.Entry.Value)
	}
}

// keyElsewhere returns a key with value 1 that is not stored at home.
func keyElsewhere(t *testing.T, e store.Engine, nodes *rediscluster.Cluster, home rediscluster.Shard) string {
	t.Helper()
	for i := 0; ; i++ {
		key := fmt.Sprint("there", i)
		do(t, e, set(key, "1"))
		if homeOf(t, nodes, key).Primary != home.Primary {
			return key
		}
	}
}

// A client that learns that a slot has no node sends no command for it, and must still send those of other slots.
func TestASlotWithoutANodeFailsOnlyItsShard(t *testing.T) {
	nodes := start(t, rediscluster.Config{
		Primaries: 2, NodeTimeout: busy, Lines: []string{"cluster-require-full-coverage no"},
	})
	e := open(t, nodes, redis.Options{Shards: 8})
	do(t, e, set("here", "1"))
	here := homeOf(t, nodes, "here")
	elsewhere := keyElsewhere(t, e, nodes, here)
	w := watch(t, e, store.WatchRequest{Key: elsewhere})
	slot := ask(t, here.Primary, "CLUSTER", "KEYSLOT", namesOf(t, here.Primary, "here")[0])
	number, err := slot.ToInt64()
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range nodes.Nodes() {
		ask(t, node, "CLUSTER", "DELSLOTS", strconv.FormatInt(number, 10))
	}
	batch := []store.Operation{set("here", "2"), set(elsewhere, "2")}
	for i := range 20 { // as many gets are read by themselves
		batch = append(batch, store.Operation{Kind: store.Get, Key: fmt.Sprint(elsewhere, "/", i), AllowMissing: true})
	}
	eventually(t, "learn that the slot has no node", func() error {
		results, err := e.Batch(t.Context(), batch, false)
		if err != nil {
			t.Fatal(err)
		}
		wantError(t, "a write without a node", results[0].Err, store.ErrUnavailable)
		if results[1].Err != nil {
			t.Errorf("a write elsewhere = %v", results[1].Err)
		}
		return unless(errors.Is(results[0].Err, rueidis.ErrNoSlot), results[0].Err)
	})
	if event := next(t, w); string(event.Entry.Value) != "2" {
		t.Errorf("the watch elsewhere has value %q, want 2", event.Entry.Value)
	}
}
