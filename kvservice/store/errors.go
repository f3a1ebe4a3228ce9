package store

import (
	"errors"
	"fmt"
)

// The errors of an engine. Compare with errors.Is.
var (
	// ErrNotFound: the key has no entry.
	ErrNotFound = errors.New("key not found")
	// ErrVersionMismatch: the entry does not have the version that the precondition requires.
	ErrVersionMismatch = errors.New("version mismatch")
	// ErrExists: the precondition requires that the key does not exist, and it does.
	ErrExists = errors.New("key already exists")
	// ErrAbsent: the precondition requires that the key exists, and it does not.
	ErrAbsent = errors.New("key does not exist")
	// ErrNotInteger: the value is not a signed 64-bit integer in decimal.
	ErrNotInteger = errors.New("value is not a signed 64-bit integer in decimal")
	// ErrOverflow: the sum overflows a signed 64-bit integer.
	ErrOverflow = errors.New("sum overflows a signed 64-bit integer")
	// ErrFull: the memory limit is reached, and the engine does not evict entries.
	ErrFull = errors.New("store is full")
	// ErrDiskFull: the disk has no room for the log, which a write must be in. Nothing was changed.
	ErrDiskFull = errors.New("disk is full")
	// ErrBehind: the log has not reached the disk for too long, so that a further write would be at risk for longer than
	// the engine allows. Nothing was changed.
	ErrBehind = errors.New("log is too far behind")
	// ErrTokenInvalid: the resume token was not made by this store.
	ErrTokenInvalid = errors.New("invalid resume token")
	// ErrResumeTooOld: the changes after the resume token are no longer kept.
	ErrResumeTooOld = errors.New("changes after the resume token are no longer kept")
	// ErrUnavailable: the engine's backend does not answer. Nothing was changed.
	ErrUnavailable = errors.New("store does not answer")
	// ErrLoading: the engine is still loading its entries. Nothing was changed.
	ErrLoading = errors.New("store is loading its entries")
	// ErrUnknownOutcome: the engine's backend failed before it answered. The change may or may not have been made.
	ErrUnknownOutcome = errors.New("store failed before it answered; the change may or may not have been made")
	// ErrLeftOut: the value was left out of the result of a batch, which is too large.
	ErrLeftOut = errors.New("value left out: the values of the batch are too large together")
	// ErrAcrossShards: the keys of an atomic batch are in more than one shard.
	ErrAcrossShards = errors.New("keys of an atomic batch are in more than one shard")
	// ErrTooLarge: the engine's backend cannot make the changes of an atomic batch at one instant, because they are too many or
	// too long. Nothing was changed.
	ErrTooLarge = errors.New("atomic batch is too large for the store")
	// ErrClosed: the engine is closed.
	ErrClosed = errors.New("store is closed")
)

// BatchError reports why an atomic batch failed. The batch changed nothing.
type BatchError struct {
	Index int   // of the operation that failed, from 0
	Err   error // its error
}

// Error returns the operation's index and error.
func (e *BatchError) Error() string { return fmt.Sprintf("operation %d: %v", e.Index, e.Err) }

// Unwrap returns the operation's error.
func (e *BatchError) Unwrap() error { return e.Err }
