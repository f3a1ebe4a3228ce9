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
	// ErrNotInteger: the value is not a signed 64-bit integer in decimal, so that nothing can be added to it.
	ErrNotInteger = errors.New("not an integer")
	// ErrOverflow: the sum does not fit into a signed 64-bit integer.
	ErrOverflow = errors.New("integer overflow")
	// ErrResumeTooOld: the changes that a watch would have to deliver next are no longer kept.
	ErrResumeTooOld = errors.New("too old to resume from")
	// ErrInvalid: the request breaks a rule of the contract. Sending it again will not help.
	ErrInvalid = errors.New("invalid request")
	// ErrTooLarge: the value, the batch or the answer is larger than is taken.
	ErrTooLarge = errors.New("too large")
	// ErrFull: the store has no room.
	ErrFull = errors.New("the store is full")
	// ErrUnauthenticated: the API key is missing or not valid.
	ErrUnauthenticated = errors.New("not authenticated")
	// ErrPermissionDenied: the API key does not allow this.
	ErrPermissionDenied = errors.New("permission denied")
	// ErrOverloaded: the service had no capacity for the call, and did nothing. Try again later.
	ErrOverloaded = errors.New("overloaded")
	// ErrUnavailable: the service could not be reached, broke off, or did not answer in time. A write may have
	// been made or not.
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
	contract.PermissionDenied:   ErrPermissionDenied,
	contract.RateLimited:        ErrOverloaded,
	contract.Overloaded:         ErrOverloaded,
	contract.ServiceUnavailable: ErrUnavailable,
	contract.DeadlineExceeded:   ErrUnavailable,
}

// Error is a failed call, or a failed operation of a batch.
type Error struct {
	// Code is the status code of the RPC.
	Code connect.Code
	// Reason is the stable word of the contract, such as KEY_NOT_FOUND. Empty if the service did not say.
	Reason string
	// Message says what went wrong, for a person to read.
	Message string

	metadata map[string]string // ErrorInfo.metadata
	kind     error             // one of the sentinels, or nil
	cause    error             // or nil
}

func (e *Error) Error() string { return e.Message }

// Operation returns the index of the operation that made an atomic batch fail, or false if it was none of them.
func (e *Error) Operation() (int, bool) {
	index, err := strconv.Atoi(e.metadata["operation"])
	return index, err == nil
}

// Unwrap makes errors.Is find the sentinel and the cause.
func (e *Error) Unwrap() []error {
	var errs []error
	for _, err := range []error{e.kind, e.cause} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	if e.Code == connect.CodeDeadlineExceeded { // also where the service noticed first
		errs = append(errs, context.DeadlineExceeded)
	}
	return errs
}

// newError returns what became of a call, or of a stream, that sent req and failed with err.
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

// gaveUp makes e the error of a call whose context is done.
func (e *Error) gaveUp(err error) {
	e.cause = errors.Join(err, e.cause)
	e.Code, e.Message = connect.CodeCanceled, "the call was canceled"
	if errors.Is(err, context.DeadlineExceeded) {
		e.Code, e.Message, e.kind = connect.CodeDeadlineExceeded, "the service did not answer in time", ErrUnavailable
	}
}

// explainHop makes e, which the service did not send, an error with reason why.
func (e *Error) explainHop(why contract.Reason) {
	e.kind = sentinels[why]
	switch {
	case errors.Is(e.cause, hop.ErrRedirect):
		e.Code, e.Message = connect.CodeUnknown, hop.ErrRedirect.Error()
	case why == contract.RequestInvalid, why == contract.ServiceUnavailable:
		e.Code = why.Code()
	case why == contract.DeadlineExceeded:
		e.Message = "the service did not answer in time"
	}
}
