package wireengine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/durationpb"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/contract"
	"key-value/kvservice/store"
)

// operation is how one kind of operation is sent, in a batch or as an RPC of its own.
type operation struct {
	message func(store.Operation) *keyvaluev1.Operation
	call    func(context.Context, keyvaluev1connect.KeyValueServiceClient, store.Operation) (store.Result, error)
}

var operations = map[store.Kind]operation{
	store.Get: of(contract.Get, keyvaluev1connect.KeyValueServiceClient.Get,
		func(op store.Operation) *keyvaluev1.GetRequest {
			return &keyvaluev1.GetRequest{Key: op.Key, AllowMissing: op.AllowMissing}
		}),
	store.Set: of(contract.Set, keyvaluev1connect.KeyValueServiceClient.Set,
		func(op store.Operation) *keyvaluev1.SetRequest {
			return &keyvaluev1.SetRequest{
				Key: op.Key, Content: &keyvaluev1.SetRequest_Data{Data: op.Value},
				Ttl: ttlOf(op), KeepTtl: op.KeepTTL, Precondition: preconditionOf(op.Precondition),
			}
		}),
	store.Delete: of(contract.Delete, keyvaluev1connect.KeyValueServiceClient.Delete,
		func(op store.Operation) *keyvaluev1.DeleteRequest {
			return &keyvaluev1.DeleteRequest{Key: op.Key, Precondition: preconditionOf(op.Precondition)}
		}),
	store.Touch: of(contract.Touch, keyvaluev1connect.KeyValueServiceClient.Touch,
		func(op store.Operation) *keyvaluev1.TouchRequest {
			return &keyvaluev1.TouchRequest{Key: op.Key, Ttl: ttlOf(op), Precondition: preconditionOf(op.Precondition)}
		}),
	store.Increment: of(contract.Increment, keyvaluev1connect.KeyValueServiceClient.Increment,
		func(op store.Operation) *keyvaluev1.IncrementRequest {
			return &keyvaluev1.IncrementRequest{Key: op.Key, Delta: op.Delta, Initial: op.Initial, Ttl: ttlOf(op)}
		}),
}

func of[Request, Response contract.Message](
	row *contract.Operation[Request, Response],
	call func(keyvaluev1connect.KeyValueServiceClient, context.Context, Request) (Response, error),
	request func(store.Operation) Request,
) operation {
	return operation{
		message: func(op store.Operation) *keyvaluev1.Operation { return row.Wrap(request(op)) },
		call: func(ctx context.Context, kv keyvaluev1connect.KeyValueServiceClient, op store.Operation) (store.Result, error) {
			response, err := call(kv, ctx, request(op))
			if err != nil {
				return store.Result{}, outcome(err)
			}
			return resultOf(row.WrapResult(response)), nil
		},
	}
}

func ttlOf(op store.Operation) *durationpb.Duration {
	if op.TTL <= 0 {
		return nil
	}
	return durationpb.New(op.TTL)
}

func preconditionOf(p store.Precondition) *keyvaluev1.Precondition {
	if v, ok := p.Version(); ok {
		return &keyvaluev1.Precondition{Kind: &keyvaluev1.Precondition_Etag{Etag: v.String()}}
	}
	if exists, ok := p.Existence(); ok {
		return &keyvaluev1.Precondition{Kind: &keyvaluev1.Precondition_Exists{Exists: exists}}
	}
	return nil
}

// resultOf returns a result as an engine returns it.
func resultOf(message *keyvaluev1.OperationResult) store.Result {
	method, response := contract.UnwrapResult(message)
	if method == nil {
		failed := message.GetError()
		return store.Result{Err: sentinel(contract.Reason(failed.GetReason()), errors.New(failed.GetMessage()))}
	}
	var result store.Result
	if r, ok := response.(interface{ GetEntry() *keyvaluev1.Entry }); ok {
		result.Entry = entryOf(r.GetEntry())
	}
	switch r := response.(type) {
	case interface{ GetCreated() bool }:
		result.Changed = r.GetCreated()
	case interface{ GetDeleted() bool }:
		result.Changed = r.GetDeleted()
	case interface{ GetValue() int64 }:
		result.Sum = r.GetValue()
	}
	return result
}

func entryOf(e *keyvaluev1.Entry) store.Entry {
	version, _ := store.ParseVersion(e.GetEtag())
	entry := store.Entry{Key: e.GetKey(), Value: contentOf(e), Version: version}
	if e.GetExpireTime() != nil {
		entry.ExpireTime, entry.TTL = e.GetExpireTime().AsTime(), e.GetTtl().AsDuration()
	}
	return entry
}

func contentOf(e *keyvaluev1.Entry) []byte { return append([]byte(e.GetValue()), e.GetData()...) }

// Batch implements [store.Engine].
func (r *Engine) Batch(ctx context.Context, ops []store.Operation, atomic bool) ([]store.Result, error) {
	req := &keyvaluev1.BatchRequest{Atomic: atomic}
	for _, op := range ops {
		req.Operations = append(req.Operations, operations[op.Kind].message(op))
	}
	res, metadata, err := r.batch(ctx, req)
	if index, parseErr := strconv.Atoi(metadata["operation"]); err != nil && parseErr == nil {
		return nil, &store.BatchError{Index: index, Err: err}
	}
	if err != nil {
		return nil, err
	}
	results := make([]store.Result, len(res.GetResults()))
	for i, result := range res.GetResults() {
		results[i] = resultOf(result)
	}
	return results, nil
}

// batch returns the response, or the error with its metadata.
func (r *Engine) batch(
	ctx context.Context, req *keyvaluev1.BatchRequest,
) (*keyvaluev1.BatchResponse, map[string]string, error) {
	if kv := r.next(); kv != nil {
		res, err := kv.Batch(ctx, req)
		if err == nil {
			return res, nil, nil
		}
		_, metadata, _ := contract.ErrorInfo(err)
		return nil, metadata, outcome(err)
	}
	status, _, answer, err := r.send(ctx, http.MethodPost, "/v1/values:batch", batchBody(req), "Content-Type", "application/json")
	if err != nil {
		return nil, nil, unknown(err)
	}
	if status != http.StatusOK {
		p := problemOf(answer)
		return nil, p.Metadata, sentinel(p.Reason, fmt.Errorf("%d: %s", status, answer))
	}
	res := &keyvaluev1.BatchResponse{}
	return res, nil, protojson.Unmarshal([]byte(answer), res)
}

// batchBody returns req in the JSON that REST takes: that of the RPC, except that a touch must say explicitly that it
// removes the TTL.
func batchBody(req *keyvaluev1.BatchRequest) string {
	operations := make([]string, len(req.GetOperations()))
	for i, operation := range req.GetOperations() {
		operations[i] = protojson.Format(operation)
		if touch := operation.GetTouch(); touch != nil && touch.GetTtl() == nil {
			operations[i] = strings.Replace(operations[i], `"key"`, `"ttl":null,"key"`, 1)
		}
	}
	return fmt.Sprintf(`{"atomic":%t,"operations":[%s]}`, req.GetAtomic(), strings.Join(operations, ","))
}
