package store

import "time"

// Kind is the kind of an [Operation].
type Kind uint8

// The kinds of operations.
const (
	// Get reads the entry. It fails with ErrNotFound if there is none, unless AllowMissing is set.
	Get Kind = iota + 1
	// Set writes Value and TTL, or only Value if KeepTTL is set.
	Set
	// Delete removes the entry. It succeeds if there is none.
	Delete
	// Touch replaces the TTL, which makes a new version. It fails with ErrNotFound if there is no entry.
	Touch
	// Increment adds Delta to a signed 64-bit integer in decimal. If there is no entry, it starts from Initial and
	// applies TTL; an entry that exists keeps its TTL. It fails with ErrNotInteger or ErrOverflow.
	Increment
)

// Operation is one operation on one key. Fields that do not apply to its kind are ignored.
type Operation struct {
	Kind         Kind
	Key          string
	Value        []byte        // Set; the engine may keep it, so nobody must modify it afterwards
	TTL          time.Duration // Set, Touch, and an Increment that creates the entry; zero: no expiry
	KeepTTL      bool          // Set; an entry that exists keeps its deadline, a new one never expires; TTL is zero
	Precondition Precondition  // Set, Delete, Touch
	Uncounted    bool          // Get; [Stats] leave it out
	AllowMissing bool          // Get; if there is no entry, the result has none
	Delta        int64         // Increment
	Initial      int64         // Increment
}

// Result is the result of an operation.
type Result struct {
	// Entry is the entry after the operation, zero if there is none. Its Value is set by Get only.
	Entry Entry
	// Changed reports whether Set created the key or Delete removed an entry.
	Changed bool
	// Revision is that of the removal by Delete; zero if it removed nothing. Other writes have theirs in Entry.
	Revision uint64
	// Sum is the number that Increment stored.
	Sum int64
	// Err is the error of an operation in a batch that is not atomic. It is nil everywhere else.
	Err error
}

// Precondition is a condition that is checked atomically with a write. The zero value always holds.
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

// IfVersion requires that the entry exists in version v.
func IfVersion(v Version) Precondition { return Precondition{kind: ifVersion, version: v} }

// IfExists requires that the entry exists.
func IfExists() Precondition { return Precondition{kind: ifExists} }

// IfAbsent requires that the entry does not exist.
func IfAbsent() Precondition { return Precondition{kind: ifAbsent} }

// Version returns the version that p requires. It reports false if p requires none.
func (p Precondition) Version() (Version, bool) { return p.version, p.kind == ifVersion }

// Existence returns whether p requires the entry to exist or to be absent. Its second result is false if p requires
// neither.
func (p Precondition) Existence() (exists, ok bool) {
	return p.kind == ifExists, p.kind == ifExists || p.kind == ifAbsent
}

// Check returns nil if p holds for an entry that exists in version v, or does not exist. Otherwise it returns
// ErrVersionMismatch, ErrAbsent or ErrExists.
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
