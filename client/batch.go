package client

import (
	"context"

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
