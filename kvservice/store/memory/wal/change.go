package wal

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
