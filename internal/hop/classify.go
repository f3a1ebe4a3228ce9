package hop

import (
	"errors"

	"connectrpc.com/connect/v2"
	"google.golang.org/protobuf/proto"

	"key-value/internal/contract"
)

// Classify returns why a call that sent req failed with err: the reason that the service gave or, if it gave none, the
// reason that describes what happened. It is "" if none does, such as for an internal error of the service.
func Classify(req any, err error) contract.Reason {
	if why := contract.ReasonOf(err); why.Code() != connect.CodeInternal { // a reason that this program knows
		return why
	}
	e, ok := errors.AsType[*connect.Error](err)
	if ok && e.IsRemote() {
		return implied[e.Code()]
	}
	// The error was made on this side. If it wraps one, such as that of a stream that was cut within a message, its code
	// is arbitrary: Internal, Unknown or Canceled. If it wraps none, connect itself rejected the answer, such as for its
	// HTTP status, and the code is right.
	switch code := connect.CodeOf(err); {
	case errors.Is(err, ErrRedirect):
		return ""
	case code == connect.CodeInternal && !encodable(req):
		return contract.RequestInvalid
	case code == connect.CodeDeadlineExceeded:
		return contract.DeadlineExceeded
	case !ok || e.Unwrap() != nil:
		return contract.ServiceUnavailable
	case code == connect.CodeResourceExhausted:
		return contract.ValueTooLarge
	default:
		return implied[code]
	}
}

// implied are the reasons of codes that need no further explanation, such as those of a proxy's answer.
var implied = map[connect.Code]contract.Reason{
	connect.CodeInvalidArgument:  contract.RequestInvalid,
	connect.CodeUnauthenticated:  contract.APIKeyInvalid,
	connect.CodePermissionDenied: contract.PermissionDenied,
	connect.CodeUnavailable:      contract.ServiceUnavailable,
	connect.CodeDeadlineExceeded: contract.DeadlineExceeded,
	connect.CodeCanceled:         contract.ServiceUnavailable, // not by the caller, whose context is checked first
}

// encodable reports whether req can be sent at all: its strings must be valid UTF-8.
func encodable(req any) bool {
	message, ok := req.(proto.Message)
	if !ok {
		return true
	}
	_, err := proto.Marshal(message)
	return err == nil
}
