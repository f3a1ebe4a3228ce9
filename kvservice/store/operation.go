package store

import "time"

// Kind says which operation an [Operation] is.
type Kind uint8

// The operations on one key.
const (
	// Get reads the entry, or fails with ErrNotFound.
	Get Kind = iota + 1
	// Set writes Value and TTL.
	Set
	// Delete removes the entry. It is no error if there is none.
	Delete
	// Touch replaces the TTL and makes a new version, or fails with ErrNotFound.
	Touch
	// Increment adds Delta to a decimal signed 64-bit integer, which starts from Initial if there is
	// no entry. It fails with ErrNotInteger or ErrOverflow. An entry that exists keeps its TTL.
	Increment
)

// Operation is one operation on one key. Fields that a kind does not name are ignored.
type Operation struct {
	Kind         Kind
	Key          string
	Value        []byte        // Set; the engine may keep it, so the caller must not change it afterwards
	TTL          time.Duration // Set, Touch, Increment that creates: the time to live; zero: for ever
	Precondition Precondition  // Set, Delete, Touch
	Delta        int64         // Increment
	Initial      int64         // Increment
}

// Result is what an operation did.
type Result struct {
	// Entry is the entry as the operation left it, or as Get found it. Value is set for Get alone.
	Entry Entry
	// Changed says whether Set created the key and whether Delete removed one.
	Changed bool
	// Sum is what Increment stored.
	Sum int64
	// Err is the operation's own error in a batch that is not atomic, and nil everywhere else.
	Err error
}

// Precondition is what must hold at the instant of a write. The zero value always holds.
type Precondition struct {
	kind    preconditionKind
	version Version
}

type preconditionKind uint8

const (
	always preconditionKind = iota
	ifVersion
	ifExists
	ifAbsent
)

// IfVersion holds while the entry exists in version v.
func IfVersion(v Version) Precondition { return Precondition{kind: ifVersion, version: v} }

// IfExists holds while the entry exists.
func IfExists() Precondition { return Precondition{kind: ifExists} }

// IfAbsent holds while the entry does not exist.
func IfAbsent() Precondition { return Precondition{kind: ifAbsent} }

// Version returns the version that p wants, or false if it wants none.
func (p Precondition) Version() (Version, bool) { return p.version, p.kind == ifVersion }

// Existence returns whether p wants an entry to exist or not to, or false for ok if it does not care.
func (p Precondition) Existence() (exists, ok bool) {
	return p.kind == ifExists, p.kind == ifExists || p.kind == ifAbsent
}

// Check returns nil if p holds for an entry that exists or not, in version v if it does. Otherwise it
// returns ErrVersionMismatch, ErrAbsent or ErrExists.
func (p Precondition) Check(exists bool, v Version) error {
	switch {
	case p.kind == ifVersion && (!exists || v != p.version):
		return ErrVersionMismatch
	case p.kind == ifExists && !exists:
		return ErrAbsent
	case p.kind == ifAbsent && exists:
		return ErrExists
	}
	return nil
}
