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

func newResult(op Operation, r *keyvaluev1.OperationResult) Result {
	switch done := r.GetResult().(type) {
	case *keyvaluev1.OperationResult_Get:
		return Result{Entry: newEntry(done.Get.GetEntry())}
	case *keyvaluev1.OperationResult_Set:
		return Result{Entry: written(done.Set.GetEntry(), op.value), Created: done.Set.GetCreated()}
	case *keyvaluev1.OperationResult_Delete:
		return Result{Deleted: done.Delete.GetDeleted()}
	case *keyvaluev1.OperationResult_Touch:
		return Result{Entry: newEntry(done.Touch.GetEntry())}
	case *keyvaluev1.OperationResult_Increment:
		return Result{Entry: newEntry(done.Increment.GetEntry()), Sum: done.Increment.GetValue()}
	default:
		return Result{Err: operationError(r.GetError())}
	}
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
