package client

import (
	"context"
	"errors"

	"connectrpc.com/connect/v2"

	"key-value/internal/reason"
)

// What a call can fail with. Compare with errors.Is.
var (
	// ErrNotFound: there is no such key.
	ErrNotFound = errors.New("not found")
	// ErrETagMismatch: the entry is not in the version that IfMatch named.
	ErrETagMismatch = errors.New("the etag does not match")
	// ErrExists: IfAbsent was asked for and the key exists.
	ErrExists = errors.New("the key exists")
	// ErrAbsent: IfExists was asked for and the key does not exist.
	ErrAbsent = errors.New("the key does not exist")
	// ErrInvalid: the request breaks a rule of the contract. Sending it again will not help.
	ErrInvalid = errors.New("invalid request")
	// ErrTooLarge: the value or the batch is larger than the service takes.
	ErrTooLarge = errors.New("too large")
	// ErrFull: the store has no room.
	ErrFull = errors.New("the store is full")
	// ErrUnauthenticated: the API key is missing or not valid.
	ErrUnauthenticated = errors.New("not authenticated")
	// ErrPermissionDenied: the API key does not allow this.
	ErrPermissionDenied = errors.New("permission denied")
	// ErrOverloaded: the service had no capacity for the call, and did nothing. Try again later.
	ErrOverloaded = errors.New("overloaded")
	// ErrUnavailable: the service could not be reached, or did not answer in time. A write may have been made
	// or not.
	ErrUnavailable = errors.New("unavailable")
)

var sentinels = map[reason.Reason]error{
	reason.KeyNotFound:        ErrNotFound,
	reason.ETagMismatch:       ErrETagMismatch,
	reason.KeyExists:          ErrExists,
	reason.KeyAbsent:          ErrAbsent,
	reason.KeyInvalid:         ErrInvalid,
	reason.ValueInvalid:       ErrInvalid,
	reason.TTLInvalid:         ErrInvalid,
	reason.PageTokenInvalid:   ErrInvalid,
	reason.RequestInvalid:     ErrInvalid,
	reason.ValueTooLarge:      ErrTooLarge,
	reason.BatchTooLarge:      ErrTooLarge,
	reason.StoreFull:          ErrFull,
	reason.APIKeyInvalid:      ErrUnauthenticated,
	reason.PermissionDenied:   ErrPermissionDenied,
	reason.RateLimited:        ErrOverloaded,
	reason.Overloaded:         ErrOverloaded,
	reason.ServiceUnavailable: ErrUnavailable,
	reason.DeadlineExceeded:   ErrUnavailable,
}

// Error is a failed call.
type Error struct {
	// Code is the status code of the RPC.
	Code connect.Code
	// Reason is the stable word of the contract, such as KEY_NOT_FOUND. Empty if the service was not reached.
	Reason string
	// Message says what went wrong, for a person to read.
	Message string

	kind  error // one of the sentinels, or nil
	cause error
}

func (e *Error) Error() string { return e.Message }

// Unwrap makes errors.Is find the sentinel and the cause.
func (e *Error) Unwrap() []error {
	if e.kind == nil {
		return []error{e.cause}
	}
	return []error{e.kind, e.cause}
}

// newError returns err as an *Error.
func newError(err error) error {
	e := &Error{Code: connect.CodeOf(err), Reason: string(reason.Of(err)), Message: err.Error(), cause: err}
	if coded, ok := errors.AsType[*connect.Error](err); ok {
		e.Message = coded.Message()
	}
	e.kind = sentinels[reason.Reason(e.Reason)]
	switch {
	case e.kind != nil:
	case errors.Is(err, context.DeadlineExceeded), e.Code == connect.CodeDeadlineExceeded:
		e.kind, e.Code, e.Message = ErrUnavailable, connect.CodeDeadlineExceeded, "the service did not answer in time"
	case e.Code == connect.CodeUnavailable:
		e.kind = ErrUnavailable
	}
	return e
}
