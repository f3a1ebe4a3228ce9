package batching

import (
	"unicode/utf8"

	"connectrpc.com/connect/v2"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
)

// errIncomplete stands for an answer that is not one to the batch that was sent.
var errIncomplete = contract.ServiceUnavailable.Errorf("the service answered another batch than was sent")

// encodable reports whether all text in a request is UTF-8. What is not cannot be sent, and would take a whole
// batch with it.
func encodable(request any) bool {
	if r, ok := request.(interface{ GetKey() string }); ok && !utf8.ValidString(r.GetKey()) {
		return false
	}
	if r, ok := request.(interface{ GetValue() string }); ok && !utf8.ValidString(r.GetValue()) {
		return false
	}
	r, ok := request.(interface {
		GetPrecondition() *keyvaluev1.Precondition
	})
	return !ok || utf8.ValidString(r.GetPrecondition().GetEtag())
}

// receive moves the answer to where the caller wants it. Nobody else has it, so that it need not be copied.
func (c *call) receive() error {
	if e := c.result.GetError(); e != nil {
		return callError(e)
	}
	if !c.method.Deliver(c.result, c.response) {
		return errIncomplete
	}
	return nil
}

// isBeyond reports whether a get brought nothing back because the batch had no room for its value.
func isBeyond(r *keyvaluev1.OperationResult) bool {
	return r.GetError().GetReason() == string(contract.BatchTooLarge)
}

// isDenied reports whether a batch was refused because of rights, which one of its calls lacks and others may have.
// Nothing of it was carried out.
func isDenied(err error) bool { return contract.ReasonOf(err) == contract.PermissionDenied }

// callError is what the call would have failed with by itself: the service's verdict.
func callError(e *keyvaluev1.OperationError) error {
	var code connect.Code
	if code.UnmarshalText([]byte(e.GetCode())) != nil {
		code = connect.CodeUnknown
	}
	if e.GetReason() == "" {
		return connect.NewError(code, e.GetMessage()).WithRemote()
	}
	return contract.Reason(e.GetReason()).NewError(code, e.GetMetadata(), e.GetMessage()).WithRemote()
}
