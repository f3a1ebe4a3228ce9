package store

import (
	"errors"
	"fmt"
)

// What an operation can fail with. Compare with errors.Is.
var (
	// ErrNotFound: there is no entry.
	ErrNotFound = errors.New("no entry with this key")
	// ErrVersionMismatch: the precondition names another version than the entry has.
	ErrVersionMismatch = errors.New("the entry is not in the expected version")
	// ErrExists: the precondition wants no entry and there is one.
	ErrExists = errors.New("the key exists")
	// ErrAbsent: the precondition wants an entry and there is none.
	ErrAbsent = errors.New("the key does not exist")
	// ErrNotInteger: the value is not a decimal signed 64-bit integer.
	ErrNotInteger = errors.New("the value is not a signed 64-bit integer in decimal")
	// ErrOverflow: the sum does not fit into a signed 64-bit integer.
	ErrOverflow = errors.New("the sum does not fit into a signed 64-bit integer")
	// ErrFull: there is no room, and the engine does not make any.
	ErrFull = errors.New("the store is full")
	// ErrTokenInvalid: the engine never made this resume token.
	ErrTokenInvalid = errors.New("not a resume token of this store")
	// ErrResumeTooOld: the changes behind the resume token are no longer kept.
	ErrResumeTooOld = errors.New("the changes since this resume token are no longer kept")
	// ErrUnavailable: the engine's backend does not answer, and nothing was changed.
	ErrUnavailable = errors.New("the store does not answer")
	// ErrUnknownOutcome: the engine's backend broke off, and the change may have been made or not.
	ErrUnknownOutcome = errors.New("the store broke off, and the change may have been made or not")
	// ErrAcrossShards: an atomic batch has keys that the engine cannot change together.
	ErrAcrossShards = errors.New("the keys of an atomic batch are not all in one shard")
	// ErrClosed: the engine was closed.
	ErrClosed = errors.New("the store is closed")
)

// BatchError is why an atomic batch changed nothing.
type BatchError struct {
	Index int   // of the operation that failed, from 0
	Err   error // what it failed with
}

// Error says which operation failed and why.
func (e *BatchError) Error() string { return fmt.Sprintf("operation %d: %v", e.Index, e.Err) }

// Unwrap returns what the operation failed with.
func (e *BatchError) Unwrap() error { return e.Err }
