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

// Entry is one version of a key, or the mark that a key has gone. It is the head of one allocation, and
// the bytes of the key and of the value follow it. Nothing but its stamp changes after [Pack].
type Entry struct {
	Revision uint64
	Updated  int64  // when it was written, in nanoseconds of the engine's clock
	Deadline int64  // when it expires, likewise, or Never
	valueLen uint32 // bytes
	rest     atomic.Uint32
}

// What Entry.rest holds: the length of the key in bytes, an [store.EventType], and when the entry was last
// used, in ticks of the engine.
const (
	keyLenShift = 16
	kindShift   = 13
	MaxStamp    = 1<<kindShift - 1
	kindMask    = 1<<(keyLenShift-kindShift) - 1
)

// headBytes is where the key begins.
const headBytes = int(unsafe.Sizeof(Entry{}))

// Head is all that Pack needs for an entry beside key and value.
type Head struct {
	Kind     store.EventType
	Revision uint64
	Updated  int64
	Deadline int64
	Stamp    uint32
}

// Pack makes an entry in one allocation that the garbage collector need not look into.
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

// Kind is Put for an entry, and otherwise how the key has gone.
func (e *Entry) Kind() store.EventType { return store.EventType(e.rest.Load() >> kindShift & kindMask) }

// Stamp is the tick of e's last use.
func (e *Entry) Stamp() uint32 { return e.rest.Load() & MaxStamp }

// Use sets e's stamp. Of two readers at once, either may win.
func (e *Entry) Use(tick uint32) {
	if rest := e.rest.Load(); rest&MaxStamp != tick&MaxStamp {
		e.rest.Store(rest&^MaxStamp | tick&MaxStamp)
	}
}

// Key returns the key, which is not empty and shares e's memory.
func (e *Entry) Key() string {
	return unsafe.String((*byte)(unsafe.Add(unsafe.Pointer(e), headBytes)), e.keyLen())
}

// Value returns the value, which is not nil and shares e's memory.
func (e *Entry) Value() []byte {
	if e.valueLen == 0 {
		return []byte{}
	}
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(e), headBytes+e.keyLen())), int(e.valueLen))
}

// Expired says whether e is gone at the instant now of the engine's clock.
func (e *Entry) Expired(now int64) bool { return e.Deadline <= now }

// Bytes is what e takes of the heap.
func (e *Entry) Bytes() int64 { return EntryBytes(e.keyLen() + int(e.valueLen)) }

// entryBytes is what an entry takes of the heap that has so many bytes of key and value.
func EntryBytes(payload int) int64 { return allocated(headBytes + payload) }

// sizeClasses are the sizes in which Go's allocator hands out small objects, in bytes.
var sizeClasses = [...]int{
	8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 288, 320, 352, 384,
	416, 448, 480, 512, 576, 640, 704, 768, 896, 1024, 1152, 1280, 1408, 1536, 1792, 2048, 2304, 2688,
	3072, 3200, 3456, 4096, 4864, 5376, 6144, 6528, 6784, 6912, 8192, 9472, 9728, 10240, 10880,
	12288, 13568, 14336, 16384, 18432, 19072, 20480, 21760, 24576, 27264, 28672, 32768,
}

// pageBytes is what larger objects are rounded up to.
const pageBytes = 8192

// allocated is what an object of n bytes takes of the heap.
func allocated(n int) int64 {
	if n > sizeClasses[len(sizeClasses)-1] {
		return int64(n+pageBytes-1) / pageBytes * pageBytes
	}
	return int64(sizeClasses[sort.SearchInts(sizeClasses[:], n)])
}

// Resident is what n bytes of objects take of memory. The allocator describes its pages, and leaves ends of
// them over; with objects as small as entries are, that is about a twentieth of what it hands out.
func Resident(n int64) int64 { return n + n/20 }
