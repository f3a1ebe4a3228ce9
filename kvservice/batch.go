package kvservice

import (
	"context"
	"errors"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
	"key-value/kvservice/keystats"
	"key-value/kvservice/store"
)

// Batch implements the RPC.
func (s *Service) Batch(ctx context.Context, req *keyvaluev1.BatchRequest) (*keyvaluev1.BatchResponse, error) {
	start := s.keys.Start()
	res, err := s.batch(ctx, req)
	s.ended(ctx, start, "Batch", firstKey(req), len(req.GetOperations()), err)
	return res, err
}

// firstKey returns the key of the first operation of a batch, or "" if there is none.
func firstKey(req *keyvaluev1.BatchRequest) string {
	if len(req.GetOperations()) == 0 {
		return ""
	}
	method, request := contract.Unwrap(req.GetOperations()[0])
	if method == nil {
		return ""
	}
	return method.Keys(request).Key
}

func (s *Service) batch(ctx context.Context, req *keyvaluev1.BatchRequest) (*keyvaluev1.BatchResponse, error) {
	switch n := len(req.GetOperations()); {
	case n == 0:
		return nil, contract.RequestInvalid.Errorf("empty batch: want at least one operation")
	case n > contract.MaxOperations:
		return nil, contract.BatchTooLarge.Errorf("too many operations in the batch: got %d, want at most %d", n, contract.MaxOperations)
	}
	if err := s.limiter.AcquireLarge(ctx); err != nil {
		return nil, err
	}
	defer s.limiter.ReleaseLarge(ctx)
	ctx = store.WithPauser(ctx, s.limiter)
	if req.GetAtomic() {
		return s.atomicBatch(ctx, req)
	}
	return s.plainBatch(ctx, req)
}

// atomicBatch carries out all operations, or none and fails with the error of one.
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
	s.keys.RecordBatch(len(ops), func(i int) keystats.Operation { return recorded(ops[i]) })
	results, err := s.engine.Batch(ctx, ops, true)
	if failed, ok := errors.AsType[*store.BatchError](err); ok {
		return nil, contract.AtOperation(failed.Index, failure(ops[failed.Index].Key, failed.Err))
	}
	if err != nil {
		return nil, failure("", err)
	}
	return respond(req, ops, results), nil
}

// plainBatch carries out each operation on its own. Invalid operations never reach the engine; their results are errors.
func (s *Service) plainBatch(ctx context.Context, req *keyvaluev1.BatchRequest) (*keyvaluev1.BatchResponse, error) {
	var invalid map[int]error // :: index → why
	ops := make([]store.Operation, 0, len(req.GetOperations()))
	for i, operation := range req.GetOperations() {
		op, err := s.readOperation(operation)
		if err != nil {
			if invalid == nil {
				invalid = map[int]error{}
			}
			invalid[i] = err
			continue
		}
		ops = append(ops, op)
	}
	s.keys.RecordBatch(len(ops), func(i int) keystats.Operation { return recorded(ops[i]) })
	results, err := s.engine.Batch(ctx, ops, false)
	if err != nil {
		return nil, failure("", err)
	}
	done := respond(req, ops, results)
	if len(invalid) == 0 {
		return done, nil
	}
	return &keyvaluev1.BatchResponse{Results: interleave(len(req.GetOperations()), invalid, done.GetResults())}, nil
}

// interleave returns n results: errors at the indexes of the invalid operations, and the results in done at the others.
func interleave(
	n int, invalid map[int]error, done []*keyvaluev1.OperationResult,
) []*keyvaluev1.OperationResult {
	results := make([]*keyvaluev1.OperationResult, n)
	for i := range results {
		if err, ok := invalid[i]; ok {
			results[i] = operationError(err)
			continue
		}
		results[i], done = done[0], done[1:]
	}
	return results
}

// respond returns results as a message. It replaces the gets whose content exceeds the limit by errors.
func respond(
	req *keyvaluev1.BatchRequest, ops []store.Operation, results []store.Result,
) *keyvaluev1.BatchResponse {
	response := &keyvaluev1.BatchResponse{Results: make([]*keyvaluev1.OperationResult, len(results))}
	room := contract.MaxContentBytes
	if n := int(req.GetMaxContentBytes()); n > 0 {
		room = min(room, n)
	}
	for i, result := range results {
		if size := len(result.Entry.Value); size <= room && !errors.Is(result.Err, store.ErrLeftOut) {
			room -= size
		} else {
			result.Err = contract.BatchTooLarge.Errorf("the value of %q does not fit into the response; read it separately", ops[i].Key)
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
