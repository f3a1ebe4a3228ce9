package redis_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"key-value/internal/testkit/rediscluster"
	"key-value/kvservice/store"
	"key-value/kvservice/store/redis"
	"key-value/kvservice/store/storetest"
)

// A primary fails before its replica has everything that it acknowledged.
func TestVersionsAndTokensOfLostWritesNeverMatch(t *testing.T) {
	nodes := start(t, rediscluster.Config{Primaries: 3, Replicas: 1})
	e := open(t, nodes, redis.Options{Shards: 8, HistoryBytes: 1 << 30})
	ofKey, ofAll := watch(t, e, store.WatchRequest{Key: "k"}), watch(t, e, store.WatchRequest{})
	kept := do(t, e, set("k", "kept")).Entry.Version
	home := homeOf(t, nodes, "k")
	ask(t, home.Primary, "WAIT", "1", "10000")

	if err := home.Replicas[0].Pause(); err != nil {
		t.Fatal(err)
	}
	// More than the socket buffers between the two hold, so that what follows is only on the primary.
	for i := range 32 {
		do(t, e, set(fmt.Sprintf("{k}/%d", i), strings.Repeat("v", 1<<20)))
	}
	lost := do(t, e, set("k", "lost")).Entry.Version
	tokens := []string{tokenOf(t, ofKey, lost), tokenOf(t, ofAll, lost)}
	if err := home.Primary.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := home.Replicas[0].Continue(); err != nil {
		t.Fatal(err)
	}

	eventually(t, "wait until the replica takes over", func() error {
		_, err := e.Do(t.Context(), set("{k}/after", ""))
		return err
	})
	entry := do(t, e, get("k")).Entry
	if string(entry.Value) != "kept" || entry.Version != kept {
		t.Fatalf("k has %q in version %v, want %q in version %v", entry.Value, entry.Version, "kept", kept)
	}
	op := set("k", "by the lost version")
	op.Precondition = store.IfVersion(lost)
	_, err := e.Do(t.Context(), op)
	wantError(t, "a write if the version is a lost one", err, store.ErrVersionMismatch)
	op.Precondition = store.IfVersion(kept)
	if after := do(t, e, op).Entry.Version; after.Epoch == lost.Epoch || after.Revision <= lost.Revision {
		t.Errorf("version %v has the epoch of the lost version %v, or no greater revision", after, lost)
	}
	for _, w := range []store.Watcher{ofKey, ofAll} {
		wantError(t, "the watch that delivered it", ending(t, w), store.ErrResumeTooOld)
	}
	for what, req := range map[string]store.WatchRequest{
		"the key": {Key: "k", Resume: tokens[0]}, "all keys": {Resume: tokens[1]},
	} {
		var err error
		eventually(t, "wait until all primaries know of the failover", func() error {
			if _, err = e.Watch(t.Context(), req); errors.Is(err, store.ErrUnavailable) {
				return err
			}
			return nil
		})
		wantError(t, "resuming the watch of "+what, err, store.ErrResumeTooOld)
	}
}

// Both nodes keep running, so only their roles show what happened.
func TestFormerPrimaryStartsANewEpoch(t *testing.T) {
	nodes := start(t, rediscluster.Config{Primaries: 3, Replicas: 1})
	e := open(t, nodes, redis.Options{Shards: 8})
	first := do(t, e, set("k", "v")).Entry.Version
	home := homeOf(t, nodes, "k")
	for _, node := range []*rediscluster.Node{home.Replicas[0], home.Primary} {
		eventually(t, "start the failover", func() error {
			_, err := node.Do(t.Context(), "CLUSTER", "FAILOVER", "TAKEOVER")
			return err
		})
		eventually(t, "wait until the failover ends", func() error {
			role, err := node.Do(t.Context(), "ROLE")
			if err != nil {
				return err
			}
			parts, _ := role.ToArray()
			if name, _ := parts[0].ToString(); name != "master" {
				return errors.New("it is still a " + name)
			}
			return nil
		})
	}
	eventually(t, "use the first primary again", func() error {
		_, err := e.Do(t.Context(), set("k", "w"))
		return err
	})
	if again := do(t, e, get("k")).Entry.Version; again.Epoch == first.Epoch {
		t.Errorf("version %v has the epoch of version %v, from two failovers earlier", again, first)
	}
}

func TestEmptiedStoreStartsANewEpoch(t *testing.T) {
	nodes := start(t, rediscluster.Config{})
	e := open(t, nodes, redis.Options{Shards: 4})
	w := watch(t, e, store.WatchRequest{Key: "k"})
	first := do(t, e, set("k", "v")).Entry.Version
	token := tokenOf(t, w, first)
	flush(t, nodes)
	if again := do(t, e, set("k", "v")).Entry.Version; again.Epoch == first.Epoch {
		t.Errorf("version %v has the epoch of the earlier version %v", again, first)
	}
	wantError(t, "the watch", ending(t, w), store.ErrResumeTooOld)
	_, err := e.Watch(t.Context(), store.WatchRequest{Key: "k", Resume: token})
	wantError(t, "resuming", err, store.ErrResumeTooOld)
}

func TestRestartedNodeWithLogStartsANewEpoch(t *testing.T) {
	nodes := start(t, rediscluster.Config{Lines: []string{"appendonly yes"}})
	e := open(t, nodes, redis.Options{Shards: 4})
	w := watch(t, e, store.WatchRequest{Key: "k"})
	first := do(t, e, set("k", "v")).Entry.Version
	token := tokenOf(t, w, first)
	if stats, err := e.Stats(t.Context()); err != nil || !stats.Guarantees.Durable {
		t.Errorf("stats are %+v, %v, want durable", stats, err)
	}
	if err := nodes.Nodes()[0].Kill(); err != nil {
		t.Fatal(err)
	}
	if err := nodes.Nodes()[0].Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "read the entry", func() error {
		result, err := e.Do(t.Context(), get("k"))
		if err == nil && result.Entry.Version != first {
			err = fmt.Errorf("the entry has version %v, want %v", result.Entry.Version, first)
		}
		return err
	})
	if again := do(t, e, set("k", "w")).Entry.Version; again.Epoch == first.Epoch {
		t.Errorf("version %v has the epoch of the earlier version %v", again, first)
	}
	wantError(t, "the watch", ending(t, w), store.ErrResumeTooOld)
	_, err := e.Watch(t.Context(), store.WatchRequest{Key: "k", Resume: token})
	wantError(t, "resuming", err, store.ErrResumeTooOld)
}

// The second engine has seen no revision of the first one, and the node has lost everything.
func TestRevisionsGrowOverARestart(t *testing.T) {
	nodes := start(t, rediscluster.Config{})
	storetest.CheckRestart(t, open(t, nodes, redis.Options{Shards: 4}), func() store.Engine {
		if err := nodes.Nodes()[0].Kill(); err != nil {
			t.Fatal(err)
		}
		if err := nodes.Nodes()[0].Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		return open(t, nodes, redis.Options{Shards: 4})
	})
}

// homeOf returns the nodes that store key.
func homeOf(t *testing.T, nodes *rediscluster.Cluster, key string) rediscluster.Shard {
	t.Helper()
	shards, err := nodes.Shards(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, shard := range shards {
		answer := ask(t, shard.Primary, "KEYS", "*}e"+key)
		if found, err := answer.AsStrSlice(); err == nil && len(found) == 1 {
			return shard
		}
	}
	t.Fatalf("no primary has %q", key)
	return rediscluster.Shard{}
}

// watch opens a watch and reads its first event.
func watch(t *testing.T, e store.Engine, req store.WatchRequest) store.Watcher {
	t.Helper()
	w, err := e.Watch(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	next(t, w)
	return w
}

// tokenOf returns the token of the event with a version.
func tokenOf(t *testing.T, w store.Watcher, v store.Version) string {
	t.Helper()
	for {
		if event := next(t, w); event.Entry.Version == v {
			return event.Token
		}
	}
}

// ending returns the error with which a watch ends.
func ending(t *testing.T, w store.Watcher) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		if _, err := w.Next(ctx); err != nil {
			return err
		}
	}
}
