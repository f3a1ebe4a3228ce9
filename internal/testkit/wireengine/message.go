package wireengine

import (
	"errors"

	"google.golang.org/protobuf/types/known/durationpb"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
	"key-value/kvservice/store"
)

// operationOf returns op as a message.
func operationOf(op store.Operation) *keyvaluev1.Operation {
	var ttl *durationpb.Duration
	if op.TTL > 0 {
		ttl = durationpb.New(op.TTL)
	}
	p := preconditionOf(op.Precondition)
	switch op.Kind {
	case store.Get:
		return &keyvaluev1.Operation{Operation: &keyvaluev1.Operation_Get{Get: &keyvaluev1.GetRequest{Key: op.Key}}}
	case store.Set:
		return &keyvaluev1.Operation{Operation: &keyvaluev1.Operation_Set{Set: &keyvaluev1.SetRequest{
			Key: op.Key, Content: &keyvaluev1.SetRequest_Data{Data: op.Value}, Ttl: ttl, Precondition: p,
		}}}
	case store.Delete:
		return &keyvaluev1.Operation{Operation: &keyvaluev1.Operation_Delete{
			Delete: &keyvaluev1.DeleteRequest{Key: op.Key, Precondition: p},
		}}
	case store.Touch:
		return &keyvaluev1.Operation{Operation: &keyvaluev1.Operation_Touch{
			Touch: &keyvaluev1.TouchRequest{Key: op.Key, Ttl: ttl, Precondition: p},
		}}
	}
	return &keyvaluev1.Operation{Operation: &keyvaluev1.Operation_Increment{Increment: &keyvaluev1.IncrementRequest{
		Key: op.Key, Delta: op.Delta, Initial: op.Initial, Ttl: ttl,
	}}}
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

// resultOf returns a message as what an engine would have returned.
func resultOf(result *keyvaluev1.OperationResult) store.Result {
	switch r := result.GetResult().(type) {
	case *keyvaluev1.OperationResult_Get:
		return store.Result{Entry: entryOf(r.Get.GetEntry())}
	case *keyvaluev1.OperationResult_Set:
		return store.Result{Entry: entryOf(r.Set.GetEntry()), Changed: r.Set.GetCreated()}
	case *keyvaluev1.OperationResult_Delete:
		return store.Result{Changed: r.Delete.GetDeleted()}
	case *keyvaluev1.OperationResult_Touch:
		return store.Result{Entry: entryOf(r.Touch.GetEntry())}
	case *keyvaluev1.OperationResult_Increment:
		return store.Result{Entry: entryOf(r.Increment.GetEntry()), Sum: r.Increment.GetValue()}
	}
	return store.Result{Err: sentinel(contract.Reason(result.GetError().GetReason()), errors.New(result.GetError().GetMessage()))}
}

func entryOf(e *keyvaluev1.Entry) store.Entry {
	version, _ := store.ParseVersion(e.GetEtag())
	entry := store.Entry{Key: e.GetKey(), Value: contentOf(e), Version: version}
	if e.GetExpireTime() != nil {
		entry.ExpireTime = e.GetExpireTime().AsTime()
	}
	return entry
}

func contentOf(e *keyvaluev1.Entry) []byte { return append([]byte(e.GetValue()), e.GetData()...) }
