package redis

import (
	"slices"
	"strconv"
	"strings"

	"key-value/kvservice/store/clock"
)

// DefaultShards is the default number of shards of new data. It is the maximum number of primaries that can share the
// data, and every listing and every watch of a prefix has to query all shards.
const DefaultShards = 64

// maxShards leaves four of a cluster's slots to each shard.
const maxShards = 4096

// shard is a part of the data whose keys are in one slot of a cluster, so that one function call can change them
// together.
type shard struct {
	fixed []string     // the Redis keys that every function takes, in order
	entry string       // prefix of the Redis keys of entries
	clock clock.Remote // of its primary, by which its entries expire
}

// newShards returns n shards whose slots are spread evenly.
func newShards(n int) []shard {
	shards := make([]shard, n)
	for i := range shards {
		tag := "{" + tagOf(i, n) + "}"
		shards[i].entry = tag + "e"
		for _, part := range []string{"m", "i", "d", "s", "t"} {
			shards[i].fixed = append(shards[i].fixed, tag+part)
		}
	}
	return shards
}

func (s *shard) index() string { return s.fixed[1] }

// tagOf returns the first hash tag for shard i of n that falls into the i-th part of the slots. Primaries own ranges
// of slots, so each gets the same number of shards, give or take one.
func tagOf(i, n int) string {
	for try := 0; ; try++ {
		tag := "kv." + strconv.Itoa(i) + "." + strconv.Itoa(try)
		if int(slotOf(tag))*n/slots == i {
			return tag
		}
	}
}

const slots = 16384

// slotOf returns the cluster slot of a hash tag: CRC-16/XMODEM, as the Redis Cluster specification defines it.
func slotOf(tag string) uint16 {
	crc := uint16(0)
	for _, b := range []byte(tag) {
		crc ^= uint16(b) << 8
		for range 8 {
			high := crc & 0x8000
			crc <<= 1
			if high != 0 {
				crc ^= 0x1021
			}
		}
	}
	return crc % slots
}

// shardOf returns the number of the shard of key. As in Redis Cluster, only the text in the first pair of braces
// counts in a key such as "user:{42}/name", so that callers can put keys into one shard.
func shardOf(key string, n int) int {
	if tag, ok := keyTag(key); ok {
		key = tag
	}
	return int(spread(key) >> 32 * uint64(n) >> 32)
}

// keyTag returns the text in the first pair of braces in key, or false if there is none.
func keyTag(key string) (string, bool) {
	_, rest, _ := strings.Cut(key, "{")
	tag, _, ok := strings.Cut(rest, "}")
	return tag, ok && tag != ""
}

// shardsOf returns the numbers of the shards that can have keys with prefix: one if it has a whole tag, or all.
func (e *Engine) shardsOf(prefix string) []int {
	if _, ok := keyTag(prefix); ok {
		return []int{shardOf(prefix, len(e.shards))}
	}
	return e.all()
}

// spread hashes key: FNV-1a with the finalizer of MurmurHash3, because the upper bits of FNV-1a are the same for keys
// that differ only in their last byte, such as "k1" and "k2". The stored data depends on it.
func spread(key string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(key) {
		h = (h ^ uint64(key[i])) * 1099511628211
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// shardGroup is the indexes of things that belong to one shard.
type shardGroup struct {
	shard   int
	indexes []int // ascending
}

// byShard groups the indexes of n things by the shard of their keys.
func (e *Engine) byShard(n int, key func(i int) string) []shardGroup {
	order, indexes := make([]uint64, n), make([]int, n)
	for i := range order {
		order[i] = uint64(shardOf(key(i), len(e.shards)))<<32 | uint64(i)
	}
	slices.Sort(order)
	groups := make([]shardGroup, 0, min(n, len(e.shards)))
	for i, o := range order {
		indexes[i] = int(uint32(o))
		if number := int(o >> 32); i == 0 || number != groups[len(groups)-1].shard {
			groups = append(groups, shardGroup{shard: number, indexes: indexes[i:i]})
		}
		last := &groups[len(groups)-1].indexes
		*last = (*last)[:len(*last)+1]
	}
	return groups
}
