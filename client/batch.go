package client

import (
	"context"
	"errors"

	"connectrpc.com/connect/v2"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
)

// Operation is one operation of a batch.
type Operation struct {
	message *keyvaluev1.Operation
	value   []byte // of a set
}

// OpGet reads an entry, as [Client.Get] does.
func OpGet(key string, opts ...GetOption) Operation {
	return Operation{message: contract.Get.Wrap(newGet(key, opts))}
}

// OpSet writes an entry, as [Client.Set] does.
func OpSet(key string, value []byte, opts ...WriteOption) Operation {
	return Operation{value: value, message: contract.Set.Wrap(newSet(key, value, opts))}
}

// OpDelete removes an entry, as [Client.Delete] does.
func OpDelete(key string, opts ...Condition) Operation {
	return Operation{message: contract.Delete.Wrap(newDelete(key, opts))}
}

// OpTouch changes when an entry expires, as [Client.Touch] does.
func OpTouch(key string, opts ...TouchOption) Operation {
	return Operation{message: contract.Touch.Wrap(newTouch(key, opts))}
}

// OpIncrement adds to an integer, as [Client.Increment] does.
func OpIncrement(key string, delta int64, opts ...IncrementOption) Operation {
	return Operation{message: contract.Increment.Wrap(newIncrement(key, delta, opts))}
}

// Batch carries out 1 to 1,000 operations in order and independently of each other: the outcome of each is in the result
// with the same index, and other clients may see some of them applied before others. If Batch itself fails, no operation
// was applied, unless the error is [ErrUnavailable] or ctx ended: then any of them may have been.
//
// The gets of a batch return at most 8 MiB of values. The results of those that exceed it have the error [ErrTooLarge].
func (c *Client) Batch(ctx context.Context, operations ...Operation) ([]Result, error) {
	return c.batch(ctx, operations, false)
}

// AtomicBatch carries out 1 to 1,000 operations atomically, each seeing the effects of those before it. If one fails,
// nothing is changed, the error is that of the operation, and [Error.Operation] returns its index. The [Condition] of an
// operation is therefore a condition of the whole batch.
//
// Some engines accept only keys that they store together; see [Guarantees].
func (c *Client) AtomicBatch(ctx context.Context, operations ...Operation) ([]Result, error) {
	return c.batch(ctx, operations, true)
}

func (c *Client) batch(ctx context.Context, operations []Operation, atomic bool) ([]Result, error) {
	req := &keyvaluev1.BatchRequest{Operations: make([]*keyvaluev1.Operation, len(operations)), Atomic: atomic}
	for i, op := range operations {
		req.Operations[i] = op.message
	}
	res, err := call(ctx, req, c.rpc.Batch)
	if err != nil {
		return nil, err
	}
	if len(res.GetResults()) != len(operations) {
		return nil, newError(ctx, req, errResultCount)
	}
	results := make([]Result, len(operations))
	for i, r := range res.GetResults() {
		results[i] = newResult(operations[i], r)
	}
	return results, nil
}

// errResultCount is the error of a response that breaks the contract.
var errResultCount = errors.New("the response does not have a result for each operation of the batch")

// Result is the outcome of one operation of a batch.
type Result struct {
	// Entry is the entry that the operation read or wrote. Its Value is set for gets and sets. It is zero for deletes, and for
	// gets with [AllowMissing] of keys that do not exist.
	Entry Entry
	// Created reports whether a set created its key.
	Created bool
	// Deleted reports whether the key of a delete existed.
	Deleted bool
	// Revision is that of the write; see [Entry]. It is zero for gets, and for deletes of keys that do not exist.
	Revision uint64
	// Sum is the value that an increment stored.
	Sum int64
	// Err is the [*Error] of an operation that failed. It is nil for all operations of an atomic batch.
	Err error
}

// newResult fills in the fields of a Result that the response to op has.
func newResult(op Operation, r *keyvaluev1.OperationResult) Result {
	method, response := contract.UnwrapResult(r)
	if method == nil {
		return Result{Err: operationError(r.GetError())}
	}
	var result Result
	if r, ok := response.(interface{ GetEntry() *keyvaluev1.Entry }); ok {
		result.Entry = newEntry(r.GetEntry())
		if method != contract.Get.Method {
			result.Revision = result.Entry.Revision
		}
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
	if r, ok := response.(interface{ GetRevision() uint64 }); ok {
		result.Revision = r.GetRevision()
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
