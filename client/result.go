package client

import (
	"errors"

	"connectrpc.com/connect/v2"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
)

// errResultCount is the answer of a service that does not keep to the contract.
var errResultCount = errors.New("the service did not answer each operation of the batch")

// Result is what became of one operation of a batch.
type Result struct {
	// Entry is what the operation read, or the entry as it left it; a delete leaves none. Its Value is set for
	// gets and sets.
	Entry Entry
	// Created says whether a set made a new key.
	Created bool
	// Deleted says whether there was an entry for a delete to remove.
	Deleted bool
	// Sum is what an increment stored.
	Sum int64
	// Err is why the operation failed, as an [*Error]. It is nil for all operations of an atomic batch.
	Err error
}

// newResult gathers what the response to an operation has of the fields of a Result.
func newResult(op Operation, r *keyvaluev1.OperationResult) Result {
	method, response := contract.UnwrapResult(r)
	if method == nil {
		return Result{Err: operationError(r.GetError())}
	}
	var result Result
	if r, ok := response.(interface{ GetEntry() *keyvaluev1.Entry }); ok {
		result.Entry = newEntry(r.GetEntry())
	}
	if op.value != nil {
		result.Entry.Value = op.value // the service does not send it back
	}
	if r, ok := response.(interface{ GetCreated() bool }); ok {
		result.Created = r.GetCreated()
	}
	if r, ok := response.(interface{ GetDeleted() bool }); ok {
		result.Deleted = r.GetDeleted()
	}
	if r, ok := response.(interface{ GetValue() int64 }); ok {
		result.Sum = r.GetValue()
	}
	return result
}

// operationError returns the error of one operation of a batch.
func operationError(failed *keyvaluev1.OperationError) *Error {
	if failed == nil {
		return &Error{Code: connect.CodeUnknown, Message: errResultCount.Error(), cause: errResultCount}
	}
	e := &Error{
		Reason: failed.GetReason(), Message: failed.GetMessage(), metadata: failed.GetMetadata(),
		kind: sentinels[contract.Reason(failed.GetReason())],
	}
	if err := e.Code.UnmarshalText([]byte(failed.GetCode())); err != nil {
		e.Code = connect.CodeUnknown
	}
	return e
}
