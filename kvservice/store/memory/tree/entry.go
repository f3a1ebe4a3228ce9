package tree

import (
	"math"
	"sort"
	"sync/atomic"
	"unsafe"

	"key-value/kvservice/store"
)

// Never is the deadline of an entry without a TTL.
const Never = math.MaxInt64

// Entry is one version of a key, or a tombstone: the record that a key was removed. It is the start of one
// allocation; the bytes of the key and of the value follow it. After [Pack], only its stamp changes.
type Entry struct {
	Revision uint64
	Updated  int64  // when it was written, in nanoseconds of the engine's clock
	Deadline int64  // when it expires, by the same clock, or Never
	valueLen uint32 // in bytes
	rest     atomic.Uint32
}

// Layout of Entry.rest: the length of the key in bytes, a [store.EventType], and the stamp.
const (
	keyLenShift = 16
	kindShift   = 13
	MaxStamp    = 1<<kindShift - 1
	kindMask    = 1<<(keyLenShift-kindShift) - 1
)

// headBytes is the offset of the key.
const headBytes = int(unsafe.Sizeof(Entry{}))

// Head has the fields of an entry other than its key and value.
type Head struct {
	Kind     store.EventType
	Revision uint64
	Updated  int64
	Deadline int64
	Stamp    uint32
}

// Pack returns an entry in one allocation that the garbage collector does not scan.
func Pack(h Head, key string, value []byte) *Entry {
	buf := make([]byte, headBytes+len(key)+len(value))
	e := (*Entry)(unsafe.Pointer(unsafe.SliceData(buf)))
	e.Revision, e.Updated, e.Deadline, e.valueLen = h.Revision, h.Updated, h.Deadline, uint32(len(value))
	e.rest.Store(uint32(len(key))<<keyLenShift | uint32(h.Kind)<<kindShift | h.Stamp&MaxStamp)
	copy(buf[headBytes:], key)
	copy(buf[headBytes+len(key):], value)
	return e
}

func (e *Entry) keyLen() int { return int(e.rest.Load() >> keyLenShift) }

// Kind is Put for an entry. For a tombstone it says how the key was removed. Touched is for a change of a TTL in the
// history, which has no value.
func (e *Entry) Kind() store.EventType { return store.EventType(e.rest.Load() >> kindShift & kindMask) }

// Stamp returns the engine's tick, modulo MaxStamp+1, at which e was last used.
func (e *Entry) Stamp() uint32 { return e.rest.Load() & MaxStamp }

// Use sets e's stamp. If two readers set it at once, either may win.
func (e *Entry) Use(tick uint32) {
	if rest := e.rest.Load(); rest&MaxStamp != tick&MaxStamp {
		e.rest.Store(rest&^MaxStamp | tick&MaxStamp)
	}
}

// Key returns the key. It is not empty and shares e's memory.
func (e *Entry) Key() string {
	return unsafe.String((*byte)(unsafe.Add(unsafe.Pointer(e), headBytes)), e.keyLen())
}

// Value returns the value. It is not nil and shares e's memory.
func (e *Entry) Value() []byte {
	if e.valueLen == 0 {
		return []byte{}
	}
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(e), headBytes+e.keyLen())), int(e.valueLen))
}

// Expired reports whether e has expired at now, an instant of the engine's clock.
func (e *Entry) Expired(now int64) bool { return e.Deadline <= now }

// Bytes returns the heap memory of e.
func (e *Entry) Bytes() int64 { return EntryBytes(e.keyLen() + int(e.valueLen)) }

// EntryBytes returns the heap memory of an entry with payload bytes of key and value.
func EntryBytes(payload int) int64 { return allocated(headBytes + payload) }

// sizeClasses are the object sizes of Go's allocator, in bytes.
var sizeClasses = [...]int{
	8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 288, 320, 352, 384,
	416, 448, 480, 512, 576, 640, 704, 768, 896, 1024, 1152, 1280, 1408, 1536, 1792, 2048, 2304, 2688,
	3072, 3200, 3456, 4096, 4864, 5376, 6144, 6528, 6784, 6912, 8192, 9472, 9728, 10240, 10880,
	12288, 13568, 14336, 16384, 18432, 19072, 20480, 21760, 24576, 27264, 28672, 32768,
}

// Larger objects are rounded up to a multiple of pageBytes.
const pageBytes = 8192

// allocated returns the heap memory of an object of n bytes.
func allocated(n int) int64 {
	if n > sizeClasses[len(sizeClasses)-1] {
		return int64(n+pageBytes-1) / pageBytes * pageBytes
	}
	return int64(sizeClasses[sort.SearchInts(sizeClasses[:], n)])
}

// Resident returns the process memory that n bytes of objects take. The allocator needs metadata and leaves the ends
// of pages unused; for objects as small as entries this adds about a twentieth.
func Resident(n int64) int64 { return n + n/20 }
