package contract

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connectproto"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// domain is the ErrorInfo.domain of every reason.
const domain = "keyvalue.v1"

// defaultRetryDelay is the RetryInfo of an OVERLOADED, LOG_BEHIND or RATE_LIMITED error without a better estimate.
const defaultRetryDelay = time.Second

// A Reason is the stable, machine-readable cause of a failed call: the reason of its google.rpc.ErrorInfo (AIP-193).
type Reason string

// The reasons of the contract.
const (
	KeyNotFound        Reason = "KEY_NOT_FOUND"
	ETagMismatch       Reason = "ETAG_MISMATCH"
	KeyExists          Reason = "KEY_EXISTS"
	KeyAbsent          Reason = "KEY_ABSENT"
	KeyInvalid         Reason = "KEY_INVALID"
	ValueInvalid       Reason = "VALUE_INVALID"
	TTLInvalid         Reason = "TTL_INVALID"
	PageTokenInvalid   Reason = "PAGE_TOKEN_INVALID"
	RequestInvalid     Reason = "REQUEST_INVALID"
	ValueTooLarge      Reason = "VALUE_TOO_LARGE"
	BatchTooLarge      Reason = "BATCH_TOO_LARGE"
	NotAnInteger       Reason = "NOT_AN_INTEGER"
	IntegerOverflow    Reason = "INTEGER_OVERFLOW"
	ResumeTooOld       Reason = "RESUME_TOO_OLD"
	StoreFull          Reason = "STORE_FULL"
	RateLimited        Reason = "RATE_LIMITED"
	Overloaded         Reason = "OVERLOADED"
	LogBehind          Reason = "LOG_BEHIND"
	APIKeyInvalid      Reason = "API_KEY_INVALID"
	TicketInvalid      Reason = "TICKET_INVALID"
	PermissionDenied   Reason = "PERMISSION_DENIED"
	ServiceUnavailable Reason = "SERVICE_UNAVAILABLE"
	DeadlineExceeded   Reason = "DEADLINE_EXCEEDED"
	Unimplemented      Reason = "UNIMPLEMENTED"
	Internal           Reason = "INTERNAL"
)

// ErrCaller is the cause of errors that are the caller's mistake whatever their code says: its request cannot be read, or
// it does not read the response.
var ErrCaller = errors.New("the caller's mistake")

// Code returns the status code of r, or CodeInternal if r is not a reason of the contract.
func (r Reason) Code() connect.Code {
	switch r {
	case KeyNotFound:
		return connect.CodeNotFound
	case ETagMismatch, KeyAbsent:
		return connect.CodeAborted
	case KeyExists:
		return connect.CodeAlreadyExists
	case KeyInvalid, ValueInvalid, TTLInvalid, PageTokenInvalid, RequestInvalid, ValueTooLarge, BatchTooLarge:
		return connect.CodeInvalidArgument
	case NotAnInteger, IntegerOverflow:
		return connect.CodeFailedPrecondition
	case ResumeTooOld:
		return connect.CodeOutOfRange
	case StoreFull, RateLimited:
		return connect.CodeResourceExhausted
	case Overloaded, LogBehind, ServiceUnavailable:
		return connect.CodeUnavailable
	case APIKeyInvalid, TicketInvalid:
		return connect.CodeUnauthenticated
	case PermissionDenied:
		return connect.CodePermissionDenied
	case DeadlineExceeded:
		return connect.CodeDeadlineExceeded
	case Unimplemented:
		return connect.CodeUnimplemented
	}
	return connect.CodeInternal
}

// WithReason returns err with the reason that its code implies, unless it has details or its code implies none.
func WithReason(err *connect.Error) *connect.Error {
	if len(err.Details()) != 0 {
		return err
	}
	for _, r := range []Reason{RequestInvalid, DeadlineExceeded, Unimplemented, Internal} {
		if r.Code() == err.Code() {
			return r.NewError(err.Code(), nil, err.Message()).WithCause(err)
		}
	}
	return err
}

// Errorf returns an error with reason r and its status code. Callers see the message.
func (r Reason) Errorf(format string, args ...any) *connect.Error {
	return r.NewError(r.Code(), nil, fmt.Sprintf(format, args...))
}

// NewError returns an error with reason r and the given status code and metadata, for code that passes on an error.
// Overloaded, LogBehind and RateLimited errors get a retry delay of one second.
func (r Reason) NewError(code connect.Code, metadata map[string]string, message string) *connect.Error {
	if r == Overloaded || r == LogBehind || r == RateLimited {
		return r.retryable(code, metadata, message, defaultRetryDelay)
	}
	return r.plain(code, metadata, message)
}

// RetryAfter is like Errorf, and tells the caller that the call may succeed after wait.
func (r Reason) RetryAfter(wait time.Duration, format string, args ...any) *connect.Error {
	return r.retryable(r.Code(), nil, fmt.Sprintf(format, args...), wait)
}

// AtOperation returns err as the error of the operation with this index in a batch: the index is in its metadata and
// begins its message. An err that is not a [*connect.Error] is returned unchanged.
func AtOperation(index int, err error) error {
	e, ok := errors.AsType[*connect.Error](err)
	if !ok {
		return err
	}
	i := strconv.Itoa(index)
	return ReasonOf(err).NewError(e.Code(), map[string]string{"operation": i}, "operation "+i+": "+e.Message())
}

func (r Reason) plain(code connect.Code, metadata map[string]string, message string) *connect.Error {
	return withDetail(connect.NewError(code, message), &errdetails.ErrorInfo{
		Reason: string(r), Domain: domain, Metadata: metadata,
	})
}

func (r Reason) retryable(code connect.Code, metadata map[string]string, message string, wait time.Duration) *connect.Error {
	return withDetail(r.plain(code, metadata, message), &errdetails.RetryInfo{RetryDelay: durationpb.New(wait)})
}

func withDetail(err *connect.Error, message proto.Message) *connect.Error {
	detail, marshalErr := connectproto.NewErrorDetail(message)
	if marshalErr != nil {
		return err.WithCause(marshalErr)
	}
	return err.WithDetail(detail)
}

// RetryDelay returns how long the caller should wait before it retries the call that failed with err, or 0 if err does
// not say.
func RetryDelay(err error) time.Duration {
	e, ok := errors.AsType[*connect.Error](err)
	if !ok {
		return 0
	}
	for _, detail := range e.Details() {
		message, err := connectproto.UnmarshalErrorDetail(detail)
		if info, ok := message.(*errdetails.RetryInfo); ok && err == nil {
			return info.GetRetryDelay().AsDuration()
		}
	}
	return 0
}

// ErrorInfo returns the reason of err and its metadata, or false if err has no reason of this contract.
func ErrorInfo(err error) (Reason, map[string]string, bool) {
	e, ok := errors.AsType[*connect.Error](err)
	if !ok {
		return "", nil, false
	}
	for _, detail := range e.Details() {
		if info, ok := errorInfo(detail); ok {
			return Reason(info.GetReason()), info.GetMetadata(), true
		}
	}
	return "", nil, false
}

// ReasonOf returns the reason of err, or "" if it has none.
func ReasonOf(err error) Reason {
	r, _, _ := ErrorInfo(err)
	return r
}

func errorInfo(detail *connect.ErrorDetail) (*errdetails.ErrorInfo, bool) {
	message, err := connectproto.UnmarshalErrorDetail(detail)
	if err != nil {
		return nil, false
	}
	info, ok := message.(*errdetails.ErrorInfo)
	return info, ok && info.GetDomain() == domain
}
