package calls

import (
	"errors"
	"strings"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"

	"key-value/internal/contract"
)

// Other replaces names that a caller made up.
const Other = "_OTHER"

// System returns the rpc.system.name of a protocol.
func System(protocol string) string {
	switch protocol {
	case connect.ProtocolNameGRPC:
		return "grpc"
	case connect.ProtocolNameGRPCWeb:
		return "grpc_web"
	}
	return "connectrpc"
}

// StatusCode returns the name of code in gRPC.
func StatusCode(code connect.Code) string {
	if code == 0 {
		return "OK"
	}
	return strings.ToUpper(code.String())
}

// CodeOf returns the code with which a call ended, or 0 for success. A mistake of the caller never has the code of a failure
// of the server, which alerts watch, although the caller gets that: gRPC demands internal for a message with a wrong flag,
// and a request that does not arrive ends with deadline_exceeded.
func CodeOf(err error) connect.Code {
	if err == nil || connecthttp.IsNotModifiedError(err) {
		return 0
	}
	code := connect.CodeOf(err)
	if errors.Is(err, contract.ErrCaller) {
		switch code {
		case connect.CodeInternal, connect.CodeUnknown:
			return connect.CodeInvalidArgument
		case connect.CodeDeadlineExceeded, connect.CodeUnavailable:
			return connect.CodeCanceled
		}
	}
	return code
}

// method returns the rpc.method of a call.
func method(spec connect.Spec) string { return strings.TrimPrefix(Procedure(spec), "/") }

// Procedure returns the procedure of spec, or [Other] if it is unknown.
func Procedure(spec connect.Spec) string {
	if spec.Schema == nil {
		return Other
	}
	return spec.Procedure
}

// IsServerFault reports whether a call that ended with code failed because of the server rather than the request.
func IsServerFault(code connect.Code) bool {
	switch code {
	case connect.CodeUnknown, connect.CodeDeadlineExceeded, connect.CodeUnimplemented, connect.CodeInternal,
		connect.CodeUnavailable, connect.CodeDataLoss:
		return true
	}
	return false
}
