package etcd

import (
	"encoding/binary"

	"key-value/kvservice/store"
)

// journal is what the latest transaction of one engine changed. Each transaction writes it, and only that engine does, so it
// also proves whether a transaction without an answer has happened.
type journal struct {
	seq     uint64 // number of the transaction
	totals  totals
	time    int64 // of the transaction, in nanoseconds of Unix time
	changes []change
}

// totals are sums over all transactions of one engine. Those of all engines together describe what is stored.
type totals struct {
	keys        int64 // created, less those removed
	bytes       int64 // of the entries, likewise
	expirations int64
	written     int64 // bytes that etcd keeps until it is compacted
}

func (t *totals) add(u totals) {
	t.keys, t.bytes, t.expirations, t.written = t.keys+u.keys, t.bytes+u.bytes, t.expirations+u.expirations, t.written+u.written
}

// entryOverhead is about what etcd takes for an entry in addition to its key and value, in bytes.
const entryOverhead = 128

func entryBytes(key string, e entry) int64 { return int64(len(key) + e.size + entryOverhead) }

// change is a change to one key.
type change struct {
	position
	kind  store.EventType // Put, Touched, Deleted, Expired
	key   string
	entry entry
	// final reports whether the transaction left the entry as this change made it. Then the journal does not have it.
	final bool
	read  int64 // how many bytes of changes the follower had read with this one
}

var kindLetters = map[store.EventType]byte{store.Put: 'p', store.Touched: 't', store.Deleted: 'd', store.Expired: 'x'}

var letterKinds = map[byte]store.EventType{'p': store.Put, 't': store.Touched, 'd': store.Deleted, 'x': store.Expired}

const journalBytes = 6 * 8

func (j journal) pack() []byte {
	b := make([]byte, 0, journalBytes+32*len(j.changes))
	for _, n := range []uint64{
		j.seq, uint64(j.totals.keys), uint64(j.totals.bytes), uint64(j.totals.expirations), uint64(j.totals.written), uint64(j.time),
	} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	for _, c := range j.changes {
		final := byte(0)
		if c.final {
			final = 1
		}
		b = append(b, kindLetters[c.kind], final)
		b = append(binary.AppendUvarint(b, uint64(len(c.key))), c.key...)
		if c.hasEntry() && !c.final {
			packed := c.entry.pack(c.kind == store.Put)
			b = append(binary.AppendUvarint(b, uint64(len(packed))), packed...)
		}
	}
	return b
}

func (c change) hasEntry() bool { return c.kind == store.Put || c.kind == store.Touched }

func unpackJournal(b []byte) (journal, error) {
	if len(b) < journalBytes {
		return journal{}, errDamaged
	}
	var n [6]uint64
	for i := range n {
		n[i] = binary.BigEndian.Uint64(b[8*i:])
	}
	j := journal{
		seq: n[0], totals: totals{int64(n[1]), int64(n[2]), int64(n[3]), int64(n[4])}, time: int64(n[5]),
	}
	for b = b[journalBytes:]; len(b) > 0; {
		var c change
		var err error
		if c, b, err = unpackChange(b); err != nil {
			return journal{}, err
		}
		j.changes = append(j.changes, c)
	}
	return j, nil
}

func unpackChange(b []byte) (c change, rest []byte, err error) {
	if len(b) < 2 || letterKinds[b[0]] == 0 {
		return change{}, nil, errDamaged
	}
	c.kind, c.final = letterKinds[b[0]], b[1] == 1
	key, rest, ok := cutField(b[2:])
	if !ok {
		return change{}, nil, errDamaged
	}
	c.key = string(key)
	if c.hasEntry() && !c.final {
		packed, after, ok := cutField(rest)
		if !ok {
			return change{}, nil, errDamaged
		}
		rest = after
		if c.entry, err = unpack(packed); err != nil {
			return change{}, nil, err
		}
	}
	return c, rest, nil
}

// cutField cuts a field with its length before it off the beginning of b.
func cutField(b []byte) (field, rest []byte, ok bool) {
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)-used) {
		return nil, nil, false
	}
	return b[used : used+int(n)], b[used+int(n):], true
}
