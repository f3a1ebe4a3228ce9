package redis_test

import (
	"strconv"
	"strings"
	"testing"

	"key-value/internal/testkit/rediscluster"
	"key-value/kvservice/store"
	"key-value/kvservice/store/redis"
)

func TestEntriesAreReadableWhileTheirShardMoves(t *testing.T) {
	nodes := start(t, rediscluster.Config{Primaries: 2, NodeTimeout: busy})
	e := open(t, nodes, redis.Options{Shards: 4})
	keys := []string{"{x}1", "{x}2", "{x}3"}
	gets := make([]store.Operation, len(keys))
	for i, key := range keys {
		gets[i] = store.Operation{Kind: store.Get, Key: key}
		if _, err := e.Do(t.Context(), store.Operation{Kind: store.Set, Key: key, Value: []byte(key)}); err != nil {
			t.Fatal(err)
		}
	}
	beginMove(t, nodes, keys[1])
	results, err := e.Batch(t.Context(), gets, false)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if r.Err != nil || string(r.Entry.Value) != keys[i] {
			t.Errorf("get %s: %q, %v", keys[i], r.Entry.Value, r.Err)
		}
	}
	page, err := e.List(t.Context(), store.ListRequest{Prefix: "{x}", Limit: 10, MaxBytes: 1000})
	if err != nil || len(page.Entries) != len(keys) {
		t.Errorf("list returned %d entries, %v; want %d", len(page.Entries), err, len(keys))
	}
}

// beginMove starts moving the shard of key from one of two primaries to the other, and moves the entry of key.
func beginMove(t *testing.T, nodes *rediscluster.Cluster, key string) {
	t.Helper()
	from, to := nodes.Nodes()[0], nodes.Nodes()[1]
	names := namesOf(t, from, key)
	if len(names) == 0 {
		from, to = to, from
		names = namesOf(t, from, key)
	}
	answer := ask(t, from, "CLUSTER", "KEYSLOT", names[0])
	slot, err := answer.ToInt64()
	if err != nil {
		t.Fatal(err)
	}
	number := strconv.FormatInt(slot, 10)
	host, port, _ := strings.Cut(to.Addr(), ":")
	ask(t, to, "CLUSTER", "SETSLOT", number, "IMPORTING", from.ID())
	ask(t, from, "CLUSTER", "SETSLOT", number, "MIGRATING", to.ID())
	ask(t, from, "MIGRATE", host, port, names[0], "0", "5000")
}

// namesOf returns the Redis key of the entry of key, if the node has it.
func namesOf(t *testing.T, node *rediscluster.Node, key string) []string {
	t.Helper()
	answer := ask(t, node, "KEYS", "*e"+key)
	names, err := answer.AsStrSlice()
	if err != nil {
		t.Fatal(err)
	}
	return names
}
