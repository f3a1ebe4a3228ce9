package redis

import (
	"encoding/binary"
	"errors"
	"math"
	"time"
	"unsafe"

	"key-value/kvservice/store"
)

var errDamaged = errors.New("what the store has there was not written by this program")

// headerBytes is what an entry has before its value: epoch, revision and the millisecond of its expiry, or 0, each as
// a number of Lua, which is exact up to 2^53.
const headerBytes = 24

// exact is the first integer that Lua's numbers may not hold.
const exact = 1 << 53

// unpackEntry reads an entry as functions.lua wrote it. Its value shares memory with packed.
func unpackEntry(key, packed string) (store.Entry, error) {
	if len(packed) < headerBytes {
		return store.Entry{}, errDamaged
	}
	e := store.Entry{
		Key:     key,
		Value:   bytesOf(packed[headerBytes:]),
		Version: store.Version{Epoch: unpackNumber(packed), Revision: unpackNumber(packed[8:])},
	}
	e.UpdateTime = time.UnixMicro(int64(e.Version.Revision))
	if expires := unpackNumber(packed[16:]); expires != 0 {
		e.ExpireTime = time.UnixMilli(int64(expires))
	}
	return e, nil
}

func unpackNumber(packed string) uint64 {
	return uint64(math.Float64frombits(binary.LittleEndian.Uint64(bytesOf(packed[:8]))))
}

// packVersion returns v as entries begin with it, or false if no entry can be in this version.
func packVersion(v store.Version) (string, bool) {
	if v.Epoch >= exact || v.Revision >= exact {
		return "", false
	}
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], math.Float64bits(float64(v.Epoch)))
	binary.LittleEndian.PutUint64(b[8:], math.Float64bits(float64(v.Revision)))
	return string(b[:]), true
}

// bytesOf returns the bytes of s without copying them. Nobody writes to the values of an engine.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// stringOf returns b as a string without copying it.
func stringOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
