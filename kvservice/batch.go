package kvservice

import (
	"context"
	"errors"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
	"key-value/kvservice/store"
)

// Batch implements the RPC.
func (s *Service) Batch(ctx context.Context, req *keyvaluev1.BatchRequest) (*keyvaluev1.BatchResponse, error) {
	switch n := len(req.GetOperations()); {
	case n == 0:
		return nil, contract.RequestInvalid.Errorf("a batch has at least one operation")
	case n > contract.MaxOperations:
		return nil, contract.BatchTooLarge.Errorf("a batch has at most %d operations, not %d", contract.MaxOperations, n)
	}
	if err := s.limiter.AcquireLarge(ctx); err != nil {
		return nil, err
	}
	defer s.limiter.ReleaseLarge(ctx)
	if req.GetAtomic() {
		return s.atomicBatch(ctx, req)
	}
	return s.plainBatch(ctx, req)
}

// atomicBatch does everything or fails with the error of one operation.
func (s *Service) atomicBatch(
	ctx context.Context, req *keyvaluev1.BatchRequest,
) (*keyvaluev1.BatchResponse, error) {
	ops := make([]store.Operation, len(req.GetOperations()))
	for i, operation := range req.GetOperations() {
		var err error
		if ops[i], err = s.readOperation(operation); err != nil {
			return nil, contract.AtOperation(i, err)
		}
	}
	results, err := s.engine.Batch(ctx, ops, true)
	if failed, ok := errors.AsType[*store.BatchError](err); ok {
		return nil, contract.AtOperation(failed.Index, failure(ops[failed.Index].Key, failed.Err))
	}
	if err != nil {
		return nil, failure("", err)
	}
	return respond(req, ops, results), nil
}

// plainBatch gives every operation a result of its own; those that cannot be read never reach the engine.
func (s *Service) plainBatch(ctx context.Context, req *keyvaluev1.BatchRequest) (*keyvaluev1.BatchResponse, error) {
	var unreadable map[int]error // :: index → why
	ops := make([]store.Operation, 0, len(req.GetOperations()))
	for i, operation := range req.GetOperations() {
		op, err := s.readOperation(operation)
		if err != nil {
			if unreadable == nil {
				unreadable = map[int]error{}
			}
			unreadable[i] = err
			continue
		}
		ops = append(ops, op)
	}
	results, err := s.engine.Batch(ctx, ops, false)
	if err != nil {
		return nil, failure("", err)
	}
	done := respond(req, ops, results)
	if len(unreadable) == 0 {
		return done, nil
	}
	return &keyvaluev1.BatchResponse{Results: interleave(len(req.GetOperations()), unreadable, done.GetResults())}, nil
}

// interleave puts the errors of the operations that were not done back between those that were.
func interleave(
	n int, unreadable map[int]error, done []*keyvaluev1.OperationResult,
) []*keyvaluev1.OperationResult {
	results := make([]*keyvaluev1.OperationResult, n)
	for i := range results {
		if err, ok := unreadable[i]; ok {
			results[i] = operationError(err)
			continue
		}
		results[i], done = done[0], done[1:]
	}
	return results
}

// operation is what a batch does with one kind of operation.
type operation struct {
	method *contract.Method
	read   func(s *Service, request any) (store.Operation, error)
	write  func(store.Result) *keyvaluev1.OperationResult
}

// operations has an entry for each operation of the contract, at the index of its kind.
var operations = [...]operation{
	store.Get:       batched(contract.Get, (*Service).readGet, writeGet),
	store.Set:       batched(contract.Set, (*Service).readSet, writeSet),
	store.Delete:    batched(contract.Delete, (*Service).readDelete, writeDelete),
	store.Touch:     batched(contract.Touch, (*Service).readTouch, writeTouch),
	store.Increment: batched(contract.Increment, (*Service).readIncrement, writeIncrement),
}

func batched[Request, Response contract.Message](
	op *contract.Operation[Request, Response],
	read func(*Service, Request) (store.Operation, error), write func(store.Result) Response,
) operation {
	return operation{
		method: op.Method,
		read:   func(s *Service, request any) (store.Operation, error) { return read(s, request.(Request)) },
		write:  func(r store.Result) *keyvaluev1.OperationResult { return op.WrapResult(write(r)) },
	}
}

func (s *Service) readOperation(message *keyvaluev1.Operation) (store.Operation, error) {
	if method, request := contract.Unwrap(message); method != nil {
		for i := range operations {
			if operations[i].method == method {
				return operations[i].read(s, request)
			}
		}
	}
	return store.Operation{}, contract.RequestInvalid.Errorf(
		"an operation must set exactly one of %s; got none", contract.OperationNames)
}

// respond writes results into a message and bounds the content that gets bring back.
func respond(
	req *keyvaluev1.BatchRequest, ops []store.Operation, results []store.Result,
) *keyvaluev1.BatchResponse {
	response := &keyvaluev1.BatchResponse{Results: make([]*keyvaluev1.OperationResult, len(results))}
	room := contract.MaxContentBytes
	if n := int(req.GetMaxContentBytes()); n > 0 {
		room = min(room, n)
	}
	for i, result := range results {
		if size := len(result.Entry.Value); size <= room {
			room -= size
		} else {
			result.Err = contract.BatchTooLarge.Errorf("the value of %q does not fit into the answer; read it by itself", ops[i].Key)
		}
		response.Results[i] = writeResult(ops[i], result)
	}
	return response
}

func writeResult(op store.Operation, r store.Result) *keyvaluev1.OperationResult {
	if r.Err != nil {
		return operationError(failure(op.Key, r.Err))
	}
	return operations[op.Kind].write(r)
}
