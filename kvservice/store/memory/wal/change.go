package wal

import (
	"encoding/binary"
	"errors"
	"unsafe"
)

// Kind is the kind of a [Change]. The numbers are part of the format.
type Kind uint8

// The kinds of changes.
const (
	Put    Kind = 1 // the entry was written
	Touch  Kind = 2 // only its deadline changed; there is no value
	Delete Kind = 3 // the entry was deleted; there is no value
	Expire Kind = 4 // its TTL elapsed; there is no value
	Evict  Kind = 5 // it was evicted; there is no value
)

// Change is one change of one key, or an entry of a snapshot, which is the change of kind [Put] that wrote it.
type Change struct {
	Kind     Kind
	Revision uint64
	Updated  int64  // when the change was made: nanoseconds of Unix time by the wall clock
	Deadline int64  // when the entry expires, likewise; zero: never
	Key      string // at most 65,535 bytes
	Value    []byte
}

// changeBytes is the most that a change takes in addition to its key and value: kind, times, two lengths.
const changeBytes = 1 + 8 + 8 + 3 + 5

// commitBytes returns the most that a commit of so many changes takes in a segment.
func commitBytes(changes, payload int) int64 {
	return headBytes + 2*binary.MaxVarintLen64 + int64(changes)*changeBytes + int64(payload)
}

// withDeadline marks the kind of a change that has a deadline.
const withDeadline = 0x80

// appendChange appends a change without its revision.
func appendChange(dst []byte, c *Change) []byte {
	kind := byte(c.Kind)
	if c.Deadline != 0 {
		kind |= withDeadline
	}
	dst = binary.LittleEndian.AppendUint64(append(dst, kind), uint64(c.Updated))
	if c.Deadline != 0 {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(c.Deadline))
	}
	dst = binary.AppendUvarint(dst, uint64(len(c.Key)))
	dst = binary.AppendUvarint(dst, uint64(len(c.Value)))
	return append(append(dst, c.Key...), c.Value...)
}

// appendCommit appends a frame with changes, whose revisions follow on from the first one.
func appendCommit(dst []byte, salt uint32, changes []Change) []byte {
	at := len(dst)
	dst = binary.AppendUvarint(beginFrame(dst), changes[0].Revision)
	dst = binary.AppendUvarint(dst, uint64(len(changes)))
	for i := range changes {
		dst = appendChange(dst, &changes[i])
	}
	sealFrame(dst, at, commitFrame, salt)
	return dst
}

// parseCommit appends the changes of a commit to dst. They share the memory of body.
func parseCommit(dst []Change, body []byte) ([]Change, error) {
	r := reader{rest: body}
	first, n := r.uvarint(), r.uvarint()
	if n == 0 || first == 0 {
		return dst, errBody
	}
	for i := uint64(0); i < n && !r.failed; i++ {
		dst = append(dst, r.change(first+i))
	}
	return dst, r.end()
}

var errBody = errors.New("a frame has a right checksum, but its contents do not read")

// reader reads numbers and changes from the body of a frame. After a failure everything is zero.
type reader struct {
	rest   []byte
	failed bool
}

// end returns an error if something could not be read, or has not been.
func (r *reader) end() error {
	if r.failed || len(r.rest) != 0 {
		return errBody
	}
	return nil
}

// bytes reads n bytes.
func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.rest, r.failed = nil, true
		return nil
	}
	read := r.rest[:n:n]
	r.rest = r.rest[n:]
	return read
}

func (r *reader) uvarint() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.rest, r.failed = nil, true
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *reader) uint64() uint64 {
	if b := r.bytes(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if b := r.bytes(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// change reads a change, which gets the revision.
func (r *reader) change(revision uint64) Change {
	c := Change{Revision: revision}
	kind := r.bytes(1)
	if kind == nil {
		return c
	}
	c.Kind = Kind(kind[0] &^ withDeadline)
	c.Updated = int64(r.uint64())
	if kind[0]&withDeadline != 0 {
		c.Deadline = int64(r.uint64())
	}
	keyLen, valueLen := r.uvarint(), r.uvarint()
	key := r.bytes(keyLen)
	c.Key = unsafe.String(unsafe.SliceData(key), len(key)) // nobody changes the body
	c.Value = r.bytes(valueLen)
	r.failed = r.failed || c.Kind < Put || c.Kind > Evict || len(key) == 0 || len(key) > 1<<16-1
	return c
}
