package etcd

import (
	"encoding/binary"
	"errors"
	"time"

	"key-value/kvservice/store"
)

// errDamaged reports a value that no engine of this version wrote.
var errDamaged = errors.New("unexpected data in etcd: not written by this program")

// inlineBytes is how long a value can be that is stored with its header. Longer ones are apart, so that a page of entries is
// read without regard to their sizes, and so that a change of the TTL alone does not write the value again.
const inlineBytes = 4 << 10

// entry is what is stored of an entry. Its revision is in etcd.
type entry struct {
	run     uint64 // of the engine that wrote it
	index   uint16 // of the change in its transaction
	updated int64  // in nanoseconds of Unix time
	expires int64  // likewise; zero: never
	long    bool   // whether the value is stored apart
	size    int    // of the value
	value   []byte // nil if it is long and has not been read
}

// headerBytes is the length of what precedes an inline value: a byte that tells whether the value is long, run, index, update
// and expire time. A long one is replaced by its length.
const headerBytes = 1 + 8 + 2 + 8 + 8

// pack returns e as it is stored; whole: with its value, even if that is long.
func (e entry) pack(whole bool) []byte {
	b := make([]byte, 1, headerBytes+min(e.size, inlineBytes)+4)
	if e.long {
		b[0] = 1
	}
	b = binary.BigEndian.AppendUint64(b, e.run)
	b = binary.BigEndian.AppendUint16(b, e.index)
	b = binary.BigEndian.AppendUint64(b, uint64(e.updated))
	b = binary.BigEndian.AppendUint64(b, uint64(e.expires))
	if e.long {
		b = binary.BigEndian.AppendUint32(b, uint32(e.size))
	}
	if whole || !e.long {
		b = append(b, e.value...)
	}
	return b
}

// unpack parses the result of pack. The value shares memory with b.
func unpack(b []byte) (entry, error) {
	if len(b) < headerBytes || b[0] > 1 {
		return entry{}, errDamaged
	}
	e := entry{
		run: binary.BigEndian.Uint64(b[1:]), index: binary.BigEndian.Uint16(b[9:]), long: b[0] == 1,
		updated: int64(binary.BigEndian.Uint64(b[11:])), expires: int64(binary.BigEndian.Uint64(b[19:])),
	}
	rest := b[headerBytes:]
	if !e.long {
		e.size, e.value = len(rest), rest
		return e, nil
	}
	if len(rest) < 4 {
		return entry{}, errDamaged
	}
	e.size = int(binary.BigEndian.Uint32(rest))
	if rest = rest[4:]; len(rest) == e.size {
		e.value = rest
	}
	return e, nil
}

// live reports whether e has not expired at an instant.
func (e entry) live(now int64) bool { return e.expires == 0 || now < e.expires }

// indexBits is how many bits of a revision are the index of the change in its transaction. The others are etcd's revision.
const indexBits = 16

// maxChanges is how many changes one transaction can have.
const maxChanges = 1 << indexBits

func revisionOf(mod int64, index int) uint64 { return uint64(mod)<<indexBits | uint64(index) }

// show returns e, which etcd has at revision mod, as engines return it: without its value.
func (e entry) show(key string, mod, now int64) store.Entry {
	shown := store.Entry{
		Key: key, Version: store.Version{Epoch: e.run, Revision: revisionOf(mod, int(e.index))}, UpdateTime: time.Unix(0, e.updated),
	}
	if e.expires != 0 {
		shown.ExpireTime, shown.TTL = time.Unix(0, e.expires), max(1, time.Duration(e.expires-now))
	}
	return shown
}

// showWhole is show with the value.
func (e entry) showWhole(key string, mod, now int64) store.Entry {
	shown := e.show(key, mod, now)
	if shown.Value = e.value; shown.Value == nil {
		shown.Value = []byte{}
	}
	return shown
}
