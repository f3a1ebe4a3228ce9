package wireengine

import (
	"context"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/kvservice/store"
)

// doRPC makes the call that op stands for.
func doRPC(ctx context.Context, kv keyvaluev1connect.KeyValueServiceClient, op store.Operation) (store.Result, error) {
	var result *keyvaluev1.OperationResult
	var err error
	switch o := operationOf(op).GetOperation().(type) {
	case *keyvaluev1.Operation_Get:
		var res *keyvaluev1.GetResponse
		res, err = kv.Get(ctx, o.Get)
		result = &keyvaluev1.OperationResult{Result: &keyvaluev1.OperationResult_Get{Get: res}}
	case *keyvaluev1.Operation_Set:
		var res *keyvaluev1.SetResponse
		res, err = kv.Set(ctx, o.Set)
		result = &keyvaluev1.OperationResult{Result: &keyvaluev1.OperationResult_Set{Set: res}}
	case *keyvaluev1.Operation_Delete:
		var res *keyvaluev1.DeleteResponse
		res, err = kv.Delete(ctx, o.Delete)
		result = &keyvaluev1.OperationResult{Result: &keyvaluev1.OperationResult_Delete{Delete: res}}
	case *keyvaluev1.Operation_Touch:
		var res *keyvaluev1.TouchResponse
		res, err = kv.Touch(ctx, o.Touch)
		result = &keyvaluev1.OperationResult{Result: &keyvaluev1.OperationResult_Touch{Touch: res}}
	case *keyvaluev1.Operation_Increment:
		var res *keyvaluev1.IncrementResponse
		res, err = kv.Increment(ctx, o.Increment)
		result = &keyvaluev1.OperationResult{Result: &keyvaluev1.OperationResult_Increment{Increment: res}}
	}
	if err != nil {
		return store.Result{}, outcome(err)
	}
	return resultOf(result), nil
}
