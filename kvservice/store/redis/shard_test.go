package redis

import (
	"fmt"
	"testing"
)

func TestSlotsMatchRedisCluster(t *testing.T) {
	// From the Redis Cluster specification, and from CLUSTER KEYSLOT.
	for tag, want := range map[string]uint16{"123456789": 0x31C3 % slots, "foo": 12182, "user1000": 3443} {
		if got := slotOf(tag); got != want {
			t.Errorf("slot of %q = %d, want %d", tag, got, want)
		}
	}
}

func TestShardsAreSpreadEvenlyOverSlots(t *testing.T) {
	for _, n := range []int{1, 3, 64, 1000} {
		for i := range n {
			if part := int(slotOf(tagOf(i, n))) * n / slots; part != i {
				t.Fatalf("shard %d of %d is in part %d of the slots", i, n, part)
			}
		}
	}
}

func TestKeysWithTheSameTagAreInOneShard(t *testing.T) {
	const n = 64
	for _, key := range []string{"user:{42}/mail", "{42}", "a{42}b{17}", "{42}}"} {
		if shardOf(key, n) != shardOf("42", n) {
			t.Errorf("%q is not in the shard of its tag", key)
		}
	}
	for _, key := range []string{"{}42", "}42{", "{42", "42{}"} {
		if shardOf(key, n) == shardOf("42", n) && shardOf(key+"x", n) == shardOf("42", n) {
			t.Errorf("%q is in the shard of a tag that it does not have", key)
		}
	}
}

// A different result would lose the data that is already stored.
func TestShardOfAKeyIsStable(t *testing.T) {
	for key, want := range map[string]int{"a": 32, "b": 27, "user:{42}/mail": 32, "é": 39} {
		if got := shardOf(key, 64); got != want {
			t.Errorf("%q is in shard %d, want %d", key, got, want)
		}
	}
}

func TestKeysAreSpreadEvenlyOverShards(t *testing.T) {
	const n, keys = 64, 64_000
	counts := make([]int, n)
	for i := range keys {
		counts[shardOf(fmt.Sprintf("session/%d", i), n)]++
	}
	for number, count := range counts {
		if count < keys/n*8/10 || count > keys/n*12/10 {
			t.Errorf("shard %d has %d of %d keys", number, count, keys)
		}
	}
}
