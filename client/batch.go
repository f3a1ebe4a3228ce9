package client

import (
	"context"
	"errors"

	"connectrpc.com/connect/v2"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
)

// Operation is one operation of a batch: what the method of the same name does by itself.
type Operation struct {
	message *keyvaluev1.Operation
	value   []byte // what a set writes
}

// OpGet reads an entry, as [Client.Get] does.
func OpGet(key string) Operation {
	return Operation{message: contract.Get.Wrap(&keyvaluev1.GetRequest{Key: key})}
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
func OpTouch(key string, opts ...WriteOption) Operation {
	return Operation{message: contract.Touch.Wrap(newTouch(key, opts))}
}

// OpIncrement adds to an integer, as [Client.Increment] does.
func OpIncrement(key string, delta int64, opts ...IncrementOption) Operation {
	return Operation{message: contract.Increment.Wrap(newIncrement(key, delta, opts))}
}

// Batch carries out 1 to 1,000 operations in order, each on its own: what became of one is in the result with its
// index, and other clients may see some done and others not yet. If Batch itself fails, with [ErrInvalid] or
// [ErrTooLarge] none was done, and with [ErrUnavailable] any of them may have been.
//
// Gets return 8 MiB in all; those beyond have the error [ErrTooLarge] in their results.
func (c *Client) Batch(ctx context.Context, operations ...Operation) ([]Result, error) {
	return c.batch(ctx, operations, false)
}

// AtomicBatch carries out 1 to 1,000 operations at one instant, each seeing what those before it did. If one fails,
// so do all of them: nothing is changed, the error is that operation's, and [Error.Operation] says which it was.
//
// Each operation's [Condition] is thereby one of the whole batch. Some engines take only keys that they keep
// together; [Guarantees] says so.
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
