package redis_test

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"go.uber.org/goleak"

	"key-value/internal/testkit/rediscluster"
	"key-value/kvservice/store"
	"key-value/kvservice/store/redis"
	"key-value/kvservice/store/storetest"
)

func TestMain(m *testing.M) {
	// Most tests wait for nodes rather than for a processor.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	code := m.Run()
	if code == 0 {
		if err := leaks(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// leaks reports goroutines that never end. Some of the client's end by themselves after it is closed: one that waits
// up to a second before it refreshes the cluster's topology, one that closes connections to removed nodes after 5 s,
// and those that are dialing, which end with their timeout.
func leaks() error {
	deadline := time.Now().Add(patience)
	for {
		err := goleak.Find()
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// busy is a node timeout that healthy nodes do not reach even on a busy machine.
const busy = time.Minute

func TestContract(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]rediscluster.Config{
		"one node":           {},
		"a cluster of three": {Primaries: 3, NodeTimeout: busy},
	} {
		t.Run(name, func(t *testing.T) {
			nodes := start(t, config)
			storetest.Run(t, func(t *testing.T) store.Engine {
				flush(t, nodes)
				return open(t, nodes, redis.Options{Shards: 8})
			})
		})
	}
}

func TestSoak(t *testing.T) {
	storetest.Soak(t, func(t *testing.T) store.Engine {
		return open(t, start(t, rediscluster.Config{Primaries: 3, NodeTimeout: busy}), redis.Options{})
	})
}

// This takes [store.SyncInterval]: the nodes have no fake clock, which the check in the contract of engines needs.
func TestIdleWatchGetsASyncAlthoughNothingChanges(t *testing.T) {
	e := open(t, start(t, rediscluster.Config{}), redis.Options{Shards: 8})
	for key, req := range map[string]store.WatchRequest{"a/1": {Prefix: "a/"}, "b": {Key: "b"}} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			w := watch(t, e, req)
			event := next(t, w)
			if event.Type != store.Sync || event.Token == "" {
				t.Fatalf("the next event is %+v, want a sync with a token", event)
			}
			do(t, e, set(key, "1"))
			req.Resume = event.Token
			resumed, err := e.Watch(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			defer resumed.Close()
			for what, event := range map[string]store.Event{"the watch": next(t, w), "a resumed one": next(t, resumed)} {
				if string(event.Entry.Value) != "1" {
					t.Errorf("after the sync %s has %+v, want the change", what, event)
				}
			}
		})
	}
}

// start starts nodes for one test, which runs in parallel with others. In short mode it skips tests that need a
// cluster, which takes more than two seconds to form.
func start(t *testing.T, config rediscluster.Config) *rediscluster.Cluster {
	t.Helper()
	if testing.Short() && config.Primaries > 0 {
		t.Skip("needs a cluster")
	}
	t.Parallel()
	return rediscluster.StartTest(t, config)
}

// open opens an engine that is closed at the end of the test.
func open(t testing.TB, nodes *rediscluster.Cluster, options redis.Options) *redis.Engine {
	t.Helper()
	where, err := redis.ParseURL(nodes.URL())
	if err != nil {
		t.Fatal(err)
	}
	options.Addresses, options.TLS = where.Addresses, where.TLS
	e, err := redis.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return e
}

// flush removes all data from all nodes.
func flush(t *testing.T, nodes *rediscluster.Cluster) {
	t.Helper()
	for _, node := range nodes.Nodes() {
		ask(t, node, "FLUSHALL", "SYNC")
	}
}

// ask sends a command to one node.
func ask(t *testing.T, node *rediscluster.Node, args ...string) rueidis.RedisMessage {
	t.Helper()
	answer, err := node.Do(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}
