package redis

import (
	"slices"
	"strconv"
	"strings"
)

// DefaultShards is how many shards new data is in, unless it is said otherwise. It bounds how many primaries can
// share the data, and every listing and every watch of a prefix has to look at all of them.
const DefaultShards = 64

// maxShards leaves four slots of a cluster to each.
const maxShards = 4096

// shard is a part of the data whose keys are all in one slot of a cluster, so that one function call can change them
// together.
type shard struct {
	fixed []string // the keys that every function takes, in its order
	entry string   // what the keys of entries begin with
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

// tagOf returns the first hash tag for shard i of n that is in the i-th part of the slots. Primaries own ranges of
// slots, so each gets as many shards as another, to within one.
func tagOf(i, n int) string {
	for try := 0; ; try++ {
		tag := "kv." + strconv.Itoa(i) + "." + strconv.Itoa(try)
		if int(slotOf(tag))*n/slots == i {
			return tag
		}
	}
}

const slots = 16384

// slotOf is how a cluster finds the slot of a hash tag: CRC-16/XMODEM, as its specification says.
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

// shardOf returns the number of the shard that key is in. Of a key such as "user:{42}/name" only what the first pair
// of braces holds is looked at, as in Redis Cluster, so that callers can put keys into one shard.
func shardOf(key string, n int) int {
	if _, rest, ok := strings.Cut(key, "{"); ok {
		if tag, _, ok := strings.Cut(rest, "}"); ok && tag != "" {
			key = tag
		}
	}
	return int(spread(key) >> 32 * uint64(n) >> 32)
}

// spread is a number for key: FNV-1a, whose bits are then mixed as MurmurHash3 does at its end, because keys that differ
// in their last byte alone, as "k1" and "k2" do, would have the same upper bits. It is part of how data is stored.
func spread(key string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(key) {
		h = (h ^ uint64(key[i])) * 1099511628211
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// group is what is about one shard.
type shardGroup struct {
	shard   int
	indexes []int // ascending
}

// byShard puts those of n things together whose keys are in one shard.
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
