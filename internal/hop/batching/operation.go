package batching

import (
	"unicode/utf8"

	"connectrpc.com/connect/v2"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/contract"
)

// errIncomplete stands for an answer that is not one to the batch that was sent.
var errIncomplete = contract.ServiceUnavailable.Errorf("the service answered another batch than was sent")

// batchable reports whether a batch can carry calls of procedure.
func batchable(procedure string) bool {
	switch procedure {
	case keyvaluev1connect.KeyValueServiceGetProcedure,
		keyvaluev1connect.KeyValueServiceSetProcedure,
		keyvaluev1connect.KeyValueServiceDeleteProcedure,
		keyvaluev1connect.KeyValueServiceTouchProcedure,
		keyvaluev1connect.KeyValueServiceIncrementProcedure:
		return true
	}
	return false
}

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

// operation returns the request of a call as an operation of a batch. An unknown one becomes an operation
// that the service refuses.
func operation(request any) *keyvaluev1.Operation {
	switch r := request.(type) {
	case *keyvaluev1.GetRequest:
		return &keyvaluev1.Operation{Operation: &keyvaluev1.Operation_Get{Get: r}}
	case *keyvaluev1.SetRequest:
		return &keyvaluev1.Operation{Operation: &keyvaluev1.Operation_Set{Set: r}}
	case *keyvaluev1.DeleteRequest:
		return &keyvaluev1.Operation{Operation: &keyvaluev1.Operation_Delete{Delete: r}}
	case *keyvaluev1.TouchRequest:
		return &keyvaluev1.Operation{Operation: &keyvaluev1.Operation_Touch{Touch: r}}
	case *keyvaluev1.IncrementRequest:
		return &keyvaluev1.Operation{Operation: &keyvaluev1.Operation_Increment{Increment: r}}
	}
	return &keyvaluev1.Operation{}
}

// receive moves the answer to where the caller wants it. Nobody else has it, so that it need not be copied.
func (c *call) receive() error {
	if e := c.result.GetError(); e != nil {
		return callError(e)
	}
	ok := false
	switch response := c.response.(type) {
	case *keyvaluev1.GetResponse:
		if r := c.result.GetGet(); r != nil {
			response.Entry, ok = r.GetEntry(), true
		}
	case *keyvaluev1.SetResponse:
		if r := c.result.GetSet(); r != nil {
			response.Entry, response.Created, ok = r.GetEntry(), r.GetCreated(), true
		}
	case *keyvaluev1.DeleteResponse:
		if r := c.result.GetDelete(); r != nil {
			response.Deleted, ok = r.GetDeleted(), true
		}
	case *keyvaluev1.TouchResponse:
		if r := c.result.GetTouch(); r != nil {
			response.Entry, ok = r.GetEntry(), true
		}
	case *keyvaluev1.IncrementResponse:
		if r := c.result.GetIncrement(); r != nil {
			response.Value, response.Entry, ok = r.GetValue(), r.GetEntry(), true
		}
	}
	if !ok {
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
