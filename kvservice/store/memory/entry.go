package memory

import (
	"math"
	"strings"
	"sync/atomic"
	"unsafe"

	"key-value/kvservice/store"
)

// never is the deadline of an entry without a TTL.
const never = math.MaxInt64

// entry is one version of a key, or the mark that a key has gone. It is the head of one allocation, and
// the bytes of the key and of the value follow it. Nothing but its stamp changes after [pack].
type entry struct {
	revision uint64
	updated  int64  // when it was written, in nanoseconds of the engine's clock
	deadline int64  // when it expires, likewise, or never
	valueLen uint32 // bytes
	rest     atomic.Uint32
}

// What entry.rest holds: the length of the key in bytes, an [store.EventType], and when the entry was last
// used, in ticks of [lru].
const (
	keyLenShift = 16
	kindShift   = 13
	stampMask   = 1<<kindShift - 1
	kindMask    = 1<<(keyLenShift-kindShift) - 1
)

// headBytes is where the key begins.
const headBytes = int(unsafe.Sizeof(entry{}))

// change is all that pack needs for an entry beside key and value.
type change struct {
	kind     store.EventType
	revision uint64
	updated  int64
	deadline int64
	stamp    uint32
}

// pack makes an entry in one allocation that the garbage collector need not look into.
func pack(c change, key string, value []byte) *entry {
	buf := make([]byte, headBytes+len(key)+len(value))
	e := (*entry)(unsafe.Pointer(unsafe.SliceData(buf)))
	e.revision, e.updated, e.deadline, e.valueLen = c.revision, c.updated, c.deadline, uint32(len(value))
	e.rest.Store(uint32(len(key))<<keyLenShift | uint32(c.kind)<<kindShift | c.stamp&stampMask)
	copy(buf[headBytes:], key)
	copy(buf[headBytes+len(key):], value)
	return e
}

func (e *entry) keyLen() int { return int(e.rest.Load() >> keyLenShift) }

// kind is Put for an entry, and otherwise how the key has gone.
func (e *entry) kind() store.EventType { return store.EventType(e.rest.Load() >> kindShift & kindMask) }

// stamp is the tick of e's last use.
func (e *entry) stamp() uint32 { return e.rest.Load() & stampMask }

// use sets e's stamp. Of two readers at once, either may win.
func (e *entry) use(tick uint32) {
	if rest := e.rest.Load(); rest&stampMask != tick&stampMask {
		e.rest.Store(rest&^stampMask | tick&stampMask)
	}
}

// key returns the key, which is not empty and shares e's memory.
func (e *entry) key() string {
	return unsafe.String((*byte)(unsafe.Add(unsafe.Pointer(e), headBytes)), e.keyLen())
}

// value returns the value, which is not nil and shares e's memory.
func (e *entry) value() []byte {
	if e.valueLen == 0 {
		return []byte{}
	}
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(e), headBytes+e.keyLen())), int(e.valueLen))
}

// expired says whether e is gone at the instant now of the engine's clock.
func (e *entry) expired(now int64) bool { return e.deadline <= now }

// bytes is what e takes of the heap.
func (e *entry) bytes() int64 { return entryBytes(e.keyLen() + int(e.valueLen)) }

// entryBytes is what an entry takes of the heap that has so many bytes of key and value.
func entryBytes(payload int) int64 { return allocated(headBytes + payload) }

// target is what a watch follows: one key, or every key with a prefix.
type target struct {
	name string
	one  bool // name is a key, not a prefix
}

// holds says whether key belongs to t.
func (t target) holds(key string) bool {
	if t.one {
		return key == t.name
	}
	return strings.HasPrefix(key, t.name)
}
