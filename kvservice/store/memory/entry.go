package memory

import (
	"math"
	"strings"
	"time"
	"unsafe"

	"key-value/kvservice/store"
)

// never is the deadline of an entry without a TTL.
const never = math.MaxInt64

// entry is one version of a key, or the mark that a key has gone. It is the head of one allocation, and
// the bytes of the key and of the value follow it. Nothing in it changes after [pack].
type entry struct {
	revision uint64
	updated  int64  // when it was written, in nanoseconds of the engine's clock
	deadline int64  // when it expires, likewise, or never
	valueLen uint32 // bytes
	keyLen   uint16 // bytes
	kind     store.EventType
}

// headBytes is where the key begins.
const headBytes = int(unsafe.Sizeof(entry{}))

// pack makes an entry in one allocation that the garbage collector need not look into.
func pack(kind store.EventType, revision uint64, updated, deadline int64, key string, value []byte) *entry {
	buf := make([]byte, headBytes+len(key)+len(value))
	e := (*entry)(unsafe.Pointer(unsafe.SliceData(buf)))
	e.revision, e.updated, e.deadline, e.kind = revision, updated, deadline, kind
	e.keyLen, e.valueLen = uint16(len(key)), uint32(len(value))
	copy(buf[headBytes:], key)
	copy(buf[headBytes+len(key):], value)
	return e
}

// key returns the key, which shares e's memory.
func (e *entry) key() string {
	if e.keyLen == 0 {
		return ""
	}
	return unsafe.String((*byte)(unsafe.Add(unsafe.Pointer(e), headBytes)), int(e.keyLen))
}

// value returns the value, which shares e's memory and is not nil.
func (e *entry) value() []byte {
	if e.valueLen == 0 {
		return []byte{}
	}
	n := int(e.valueLen)
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(e), headBytes+int(e.keyLen))), n)
}

// expired says whether e is gone at the instant now of the engine's clock.
func (e *entry) expired(now int64) bool { return e.deadline <= now }

// bytes is what e takes of the heap.
func (e *entry) bytes() int64 { return allocated(headBytes + int(e.keyLen) + int(e.valueLen)) }

// target is what a watch follows and what a listing is limited to: one key, or every key with a prefix.
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

// clock counts nanoseconds since the engine was made. It is monotonic: setting the wall clock changes
// neither when an entry expires nor the order of two instants.
type clock struct{ start time.Time }

// now is the present instant.
func (c clock) now() int64 { return int64(time.Since(c.start)) }

// wall is the instant at as people know it.
func (c clock) wall(at int64) time.Time { return c.start.Add(time.Duration(at)).Round(0) }

// deadline is when an entry expires that is written at the instant now and lives for ttl.
func deadline(now int64, ttl time.Duration) int64 {
	if ttl <= 0 || int64(ttl) > never-now {
		return never
	}
	return now + int64(ttl)
}
