package client

import (
	"context"
	"errors"
	"strconv"

	"connectrpc.com/connect/v2"
	"google.golang.org/protobuf/proto"

	"key-value/internal/contract"
	"key-value/internal/hop"
)

// Errors that a call can fail with. Compare with errors.Is.
var (
	// ErrNotFound means that the key does not exist.
	ErrNotFound = errors.New("not found")
	// ErrETagMismatch means that the entry does not have the ETag given to [IfMatch].
	ErrETagMismatch = errors.New("etag does not match")
	// ErrExists means that the key exists although [IfAbsent] was given.
	ErrExists = errors.New("key already exists")
	// ErrAbsent means that the key does not exist although [IfExists] was given.
	ErrAbsent = errors.New("key does not exist")
	// ErrNotInteger means that the value is not a signed 64-bit integer in decimal.
	ErrNotInteger = errors.New("not an integer")
	// ErrNotJSON means that the value is not JSON, or not of the type that a [Typed] reads.
	ErrNotJSON = errors.New("not JSON of the type")
	// ErrOverflow means that the sum does not fit into a signed 64-bit integer.
	ErrOverflow = errors.New("integer overflow")
	// ErrResumeTooOld means that the next changes of a watch are no longer in the history.
	ErrResumeTooOld = errors.New("resume token too old")
	// ErrInvalid means that the request breaks a rule of the contract. It will fail again.
	ErrInvalid = errors.New("invalid request")
	// ErrTooLarge means that a value, batch or response exceeds its limit.
	ErrTooLarge = errors.New("too large")
	// ErrFull means that the store has reached its memory limit, or its disk is full.
	ErrFull = errors.New("store is full")
	// ErrUnauthenticated means that the API key or ticket is missing or invalid.
	ErrUnauthenticated = errors.New("not authenticated")
	// ErrPermissionDenied means that the API key does not allow the call.
	ErrPermissionDenied = errors.New("permission denied")
	// ErrOverloaded means that the service, or its disk, had no capacity for the call and did nothing. Retry later.
	ErrOverloaded = errors.New("overloaded")
	// ErrUnavailable means that the service could not be reached, the connection broke, or the answer did not come in
	// time. A write may or may not have been applied.
	ErrUnavailable = errors.New("unavailable")
)

var sentinels = map[contract.Reason]error{
	contract.KeyNotFound:        ErrNotFound,
	contract.ETagMismatch:       ErrETagMismatch,
	contract.KeyExists:          ErrExists,
	contract.KeyAbsent:          ErrAbsent,
	contract.KeyInvalid:         ErrInvalid,
	contract.ValueInvalid:       ErrInvalid,
	contract.TTLInvalid:         ErrInvalid,
	contract.PageTokenInvalid:   ErrInvalid,
	contract.RequestInvalid:     ErrInvalid,
	contract.ValueTooLarge:      ErrTooLarge,
	contract.BatchTooLarge:      ErrTooLarge,
	contract.NotAnInteger:       ErrNotInteger,
	contract.IntegerOverflow:    ErrOverflow,
	contract.ResumeTooOld:       ErrResumeTooOld,
	contract.StoreFull:          ErrFull,
	contract.APIKeyInvalid:      ErrUnauthenticated,
	contract.TicketInvalid:      ErrUnauthenticated,
	contract.PermissionDenied:   ErrPermissionDenied,
	contract.RateLimited:        ErrOverloaded,
	contract.Overloaded:         ErrOverloaded,
	contract.LogBehind:          ErrOverloaded,
	contract.ServiceUnavailable: ErrUnavailable,
	contract.DeadlineExceeded:   ErrUnavailable,
}

// Error is a failed call, or a failed operation of a batch.
type Error struct {
	// Code is the status code of the RPC.
	Code connect.Code
	// Reason is the stable reason from the contract, such as KEY_NOT_FOUND. It is empty if the service gave none.
	Reason string
	// Message describes the failure for people.
	Message string

	metadata map[string]string // ErrorInfo.metadata
	kind     error             // one of the sentinels, or nil
	cause    error             // or nil
}

func (e *Error) Error() string { return e.Message }

// Operation returns the index of the operation that made an atomic batch fail, or false if there is none.
func (e *Error) Operation() (int, bool) {
	index, err := strconv.Atoi(e.metadata["operation"])
	return index, err == nil
}

// Unwrap returns the errors of this package and of the context that errors.Is should find, and the cause.
func (e *Error) Unwrap() []error {
	var errs []error
	for _, err := range []error{e.kind, e.cause} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	if e.Code == connect.CodeDeadlineExceeded { // even if the service noticed first
		errs = append(errs, context.DeadlineExceeded)
	}
	return errs
}

// newError returns the error of a call or stream that sent req and failed with err.
func newError(ctx context.Context, req proto.Message, err error) *Error {
	e := &Error{Code: connect.CodeOf(err), Message: err.Error(), cause: err}
	connectErr, ok := errors.AsType[*connect.Error](err)
	if ok {
		e.Message = connectErr.Message()
	}
	why, metadata, _ := contract.ErrorInfo(err)
	e.Reason, e.metadata, e.kind = string(why), metadata, sentinels[why]
	switch {
	case e.kind != nil:
	case ctx.Err() != nil:
		e.gaveUp(ctx.Err())
	case ok && connectErr.IsRemote():
		e.kind = sentinels[hop.Classify(req, err)]
	default:
		e.explainHop(hop.Classify(req, err))
	}
	return e
}

// gaveUp makes e the error of a call whose context ended with err.
func (e *Error) gaveUp(err error) {
	e.cause = errors.Join(err, e.cause)
	e.Code, e.Message = connect.CodeCanceled, "call canceled"
	if errors.Is(err, context.DeadlineExceeded) {
		e.Code, e.Message, e.kind = connect.CodeDeadlineExceeded, "the service did not answer in time", ErrUnavailable
	}
}

// explainHop completes e, which the service did not send, for reason why.
func (e *Error) explainHop(why contract.Reason) {
	e.kind = sentinels[why]
	switch {
	case errors.Is(e.cause, hop.ErrRedirect):
		e.Code, e.Message = connect.CodeUnknown, hop.ErrRedirect.Error()
	case why == contract.RequestInvalid:
		e.Code, e.Message = why.Code(), "the request has text that is not valid UTF-8, such as its key"
	case why == contract.ServiceUnavailable:
		e.Code = why.Code()
	case why == contract.DeadlineExceeded:
		e.Message = "the service did not answer in time"
	}
}
