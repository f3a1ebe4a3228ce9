package redis

import (
	"encoding/binary"
	"hash/fnv"
	"strconv"
	"strings"

	"key-value/kvservice/store"
)

// lineage names what has happened to some shards up to now: it is another one as soon as one of them has a new epoch.
type lineage uint64

func lineageOf(epochs []uint64) lineage {
	h := fnv.New64a()
	var b [8]byte
	for _, epoch := range epochs {
		binary.LittleEndian.PutUint64(b[:], epoch)
		_, _ = h.Write(b[:])
	}
	return lineage(h.Sum64())
}

// token is the resume token of a position: three numbers in base 36, such as "2vxi4i7azeo1-gnn2zyvsqo-1c".
func (l lineage) token(p position) string {
	return base36(uint64(l)) + "-" + base36(p.revision) + "-" + base36(uint64(p.shard))
}

func base36(n uint64) string { return strconv.FormatUint(n, 36) }

// parseToken reads what token wrote of some shards' lineage. It fails with [store.ErrTokenInvalid] for anything else.
func parseToken(token string, shards int) (lineage, position, error) {
	parts := strings.Split(token, "-")
	if len(parts) != 3 {
		return 0, position{}, store.ErrTokenInvalid
	}
	var numbers [3]uint64
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 36, 64)
		if err != nil || base36(n) != part {
			return 0, position{}, store.ErrTokenInvalid
		}
		numbers[i] = n
	}
	if numbers[2] > uint64(shards) {
		return 0, position{}, store.ErrTokenInvalid
	}
	return lineage(numbers[0]), position{numbers[1], int(numbers[2])}, nil
}
