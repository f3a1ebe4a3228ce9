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

// move is a slot on its way from one node to another.
type move struct {
	from, to *rediscluster.Node
	slot     string
}

// beginMove starts moving the shard of key from one of two primaries to the other, and moves the entry of key.
func beginMove(t *testing.T, nodes *rediscluster.Cluster, key string) move {
	t.Helper()
	m := move{from: nodes.Nodes()[0], to: nodes.Nodes()[1]}
	names := namesOf(t, m.from, key)
	if len(names) == 0 {
		m.from, m.to = m.to, m.from
		names = namesOf(t, m.from, key)
	}
	answer := ask(t, m.from, "CLUSTER", "KEYSLOT", names[0])
	slot, err := answer.ToInt64()
	if err != nil {
		t.Fatal(err)
	}
	m.slot = strconv.FormatInt(slot, 10)
	ask(t, m.to, "CLUSTER", "SETSLOT", m.slot, "IMPORTING", m.from.ID())
	ask(t, m.from, "CLUSTER", "SETSLOT", m.slot, "MIGRATING", m.to.ID())
	m.migrate(t, names[0])
	return m
}

func (m move) migrate(t *testing.T, names ...string) {
	t.Helper()
	host, port, _ := strings.Cut(m.to.Addr(), ":")
	ask(t, m.from, append([]string{"MIGRATE", host, port, "", "0", "5000", "KEYS"}, names...)...)
}

// finish moves what is left, some keys at a time, and then the slot.
func (m move) finish(t *testing.T) {
	t.Helper()
	for {
		answer := ask(t, m.from, "CLUSTER", "GETKEYSINSLOT", m.slot, "100")
		names, err := answer.AsStrSlice()
		if err != nil {
			t.Fatal(err)
		}
		if len(names) == 0 {
			break
		}
		m.migrate(t, names...)
	}
	for _, node := range []*rediscluster.Node{m.to, m.from} {
		ask(t, node, "CLUSTER", "SETSLOT", m.slot, "NODE", m.to.ID())
	}
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
