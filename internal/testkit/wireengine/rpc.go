package wireengine

import (
	"context"

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
		func(op store.Operation) *keyvaluev1.GetRequest { return &keyvaluev1.GetRequest{Key: op.Key} }),
	store.Set: of(contract.Set, keyvaluev1connect.KeyValueServiceClient.Set,
		func(op store.Operation) *keyvaluev1.SetRequest {
			return &keyvaluev1.SetRequest{
				Key: op.Key, Content: &keyvaluev1.SetRequest_Data{Data: op.Value},
				Ttl: ttlOf(op), Precondition: preconditionOf(op.Precondition),
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
