package lock_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"key-value/client"
	"key-value/client/lock"
	"key-value/internal/testkit/etcdcluster"
	"key-value/internal/testkit/rediscluster"
	"key-value/internal/testkit/wiretest"
	"key-value/kvservice/store"
	"key-value/kvservice/store/etcd"
	"key-value/kvservice/store/redis"
)

func openRedis(t testing.TB, nodes *rediscluster.Cluster) store.Engine {
	t.Helper()
	options, err := redis.ParseURL(nodes.URL())
	if err != nil {
		t.Fatal(err)
	}
	options.Shards = 8
	engine, err := redis.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	return engine
}

func openEtcd(t testing.TB, members *etcdcluster.Cluster) store.Engine {
	t.Helper()
	options, err := etcd.ParseURL(members.URL())
	if err != nil {
		t.Fatal(err)
	}
	options.Prefix = "kv/"
	engine, err := etcd.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	return engine
}

func TestALockInRedisIsSharedByServices(t *testing.T) {
	t.Parallel()
	nodes := rediscluster.StartTest(t, rediscluster.Config{})
	checkShared(t, openRedis(t, nodes), openRedis(t, nodes))
}

func TestALockInEtcdIsSharedByServices(t *testing.T) {
	t.Parallel()
	members := etcdcluster.StartTest(t, etcdcluster.Config{})
	checkShared(t, openEtcd(t, members), openEtcd(t, members))
}

// checkShared checks that callers at two kvservices with the same data share a lock.
func checkShared(t *testing.T, a, b store.Engine) {
	first, second := dial(t, wiretest.Serve(t, handle(a))), dial(t, wiretest.Serve(t, handle(b)))
	long := lock.TTL(patience) // so that no holder loses the lock on a busy machine
	held := mustLock(t, newLock(t, first, long))
	_, err := newLock(t, second, long).TryLock(t.Context())
	wantError(t, "TryLock at the second service", err, lock.ErrHeld)
	if _, err := second.AtomicBatch(t.Context(), client.OpGet(held.Key()), client.OpSet("{door}/k", nil)); err != nil {
		t.Errorf("a write that requires the lock = %v", err)
	}
	defer func() {
		_, err := second.AtomicBatch(t.Context(), client.OpGet(held.Key()), client.OpSet("{door}/k", []byte("late")))
		wantError(t, "a write that requires a lock of the past", err, client.ErrNotFound)
	}()
	var waiting []*attempt
	for i := range 4 {
		kv := first
		if i%2 == 0 {
			kv = second
		}
		waiting = append(waiting, waitFor(t, t.Context(), newLock(t, kv, long), first, i+2))
	}
	for i, next := range waiting {
		for _, later := range waiting[i:] {
			later.waits(t)
		}
		last := held.Fence()
		mustUnlock(t, held)
		if held = next.get(t); held.Fence() <= last {
			t.Errorf("the fence %d follows %d", held.Fence(), last)
		}
	}
	mustUnlock(t, held)
}

// etcd loses nothing that it acknowledged, so a lock and its queue outlive the death of the leader.
func TestALockInEtcdOutlivesItsLeader(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs a cluster")
	}
	members := etcdcluster.StartTest(t, etcdcluster.Config{Members: 3})
	kv := dial(t, wiretest.Serve(t, handle(openEtcd(t, members))))
	l := newLock(t, kv, lock.TTL(time.Minute))
	held := mustLock(t, l)
	next := waitFor(t, t.Context(), l, kv, 2)
	leader, err := members.Leader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := leader.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := members.Settled(bounded(t)); err != nil {
		t.Fatal(err)
	}
	waitQueue(t, kv, 2)
	next.waits(t)
	if err := context.Cause(held.Context()); err != nil {
		t.Errorf("the context of the holder ended: %v", err)
	}
	mustUnlock(t, held)
	second := next.get(t)
	if second.Fence() <= held.Fence() {
		t.Errorf("the fence %d follows %d", second.Fence(), held.Fence())
	}
	mustUnlock(t, second)
}

// A primary fails before its replica knows of the lock that it acknowledged. What cannot be promised then is that the lock is
// exclusive. What is: its holder is told, and the fence of the next one is greater.
func TestALockThatAFailoverLosesIsFenced(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs a cluster")
	}
	nodes := rediscluster.StartTest(t, rediscluster.Config{Primaries: 3, Replicas: 1})
	kv := dial(t, wiretest.Serve(t, handle(openRedis(t, nodes))))
	if _, _, err := kv.Set(t.Context(), "{door}/marker", nil); err != nil {
		t.Fatal(err)
	}
	home := homeOf(t, nodes)
	if _, err := home.Primary.Do(t.Context(), "WAIT", "1", "10000"); err != nil {
		t.Fatal(err)
	}

	if err := home.Replicas[0].Pause(); err != nil {
		t.Fatal(err)
	}
	// More than the socket buffers between the two hold, so that what follows is only on the primary.
	for i := range 32 {
		if _, _, err := kv.Set(t.Context(), fmt.Sprint("{door}/", i), make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	held := mustLock(t, newLock(t, kv, lock.TTL(time.Hour)))
	if err := home.Primary.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := home.Replicas[0].Continue(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-held.Context().Done():
	case <-bounded(t).Done():
		t.Fatal("the holder is not told that its lock is lost")
	}
	wantError(t, "the cause", context.Cause(held.Context()), lock.ErrLost)
	next := mustLock(t, newLock(t, kv))
	if next.Fence() <= held.Fence() {
		t.Errorf("the fence %d follows %d", next.Fence(), held.Fence())
	}
	wantError(t, "Unlock", held.Unlock(), lock.ErrLost)
	mustUnlock(t, next)
}

// homeOf returns the shard of the cluster that has the marker of the lock.
func homeOf(t *testing.T, nodes *rediscluster.Cluster) rediscluster.Shard {
	t.Helper()
	shards, err := nodes.Shards(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, shard := range shards {
		answer, err := shard.Primary.Do(t.Context(), "KEYS", "*}e{door}/marker")
		if err != nil {
			t.Fatal(err)
		}
		if found, err := answer.AsStrSlice(); err == nil && len(found) == 1 {
			return shard
		}
	}
	t.Fatal("no primary has the marker")
	return rediscluster.Shard{}
}
