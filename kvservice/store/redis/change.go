package redis

import (
	"encoding/binary"
	"hash/fnv"
	"strconv"
	"strings"

	"key-value/kvservice/store"
)

// position is a place in the order of all changes.
type position struct {
	revision uint64
	shard    int // orders changes that have the same revision
}

func (p position) before(q position) bool {
	return p.revision < q.revision || p.revision == q.revision && p.shard < q.shard
}

// change is a change to one key.
type change struct {
	position
	kind     store.EventType
	previous uint64 // the revision of the previous change in its shard; zero: none
	key      string
	packed   string // the entry, if it is a Put, or its header, if it was Touched; empty: it was left out
	size     int    // length of packed, also if it was left out
	read     int64  // how many bytes of changes the dispatcher had read with this one
}

var kinds = map[byte]store.EventType{'p': store.Put, leftOut: store.Put, 't': store.Touched, 'd': store.Deleted, 'x': store.Expired}

// leftOut is the kind of a Put that has only the length of its entry.
const leftOut = 'P'

// changeBytes is the length of what precedes the key: kind, revision, previous revision, and the key's length.
const changeBytes = 1 + 8 + 8 + 2

func unpackChange(shard int, packed string) (change, error) {
	if len(packed) < changeBytes {
		return change{}, errDamaged
	}
	c := change{kind: kinds[packed[0]], previous: unpackNumber(packed[9:])}
	c.position = position{unpackNumber(packed[1:]), shard}
	length, rest := int(packed[17])|int(packed[18])<<8, packed[changeBytes:]
	if c.kind == 0 || length > len(rest) {
		return change{}, errDamaged
	}
	c.key, c.packed = rest[:length], rest[length:]
	c.size = len(c.packed)
	if packed[0] == leftOut {
		if len(c.packed) != 4 {
			return change{}, errDamaged
		}
		c.size, c.packed = int(binary.LittleEndian.Uint32(bytesOf(c.packed))), ""
	}
	return c, nil
}

// event returns c as an event without a token.
func (e *Engine) event(c change) (store.Event, error) {
	event := store.Event{Type: c.kind, Revision: c.revision, Entry: store.Entry{Key: c.key}}
	if c.kind != store.Put && c.kind != store.Touched {
		return event, nil
	}
	var err error
	if event.Entry, err = e.unpackEntry(c.key, c.packed); c.kind == store.Touched {
		event.Entry.Value = nil
	}
	return event, err
}

// lineage identifies the history of some shards: it changes when the epoch of any of them does.
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

// token returns the resume token of a position: three numbers in base 36, such as "2vxi4i7azeo1-gnn2zyvsqo-1c".
func (l lineage) token(p position) string {
	return base36(uint64(l)) + "-" + base36(p.revision) + "-" + base36(uint64(p.shard))
}

func base36(n uint64) string { return strconv.FormatUint(n, 36) }

// parseToken parses the result of token. It fails with [store.ErrTokenInvalid] for any other string.
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
