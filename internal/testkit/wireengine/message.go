package wireengine

import (
	"errors"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
	"key-value/kvservice/store"
)

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
		entry.ExpireTime = e.GetExpireTime().AsTime()
	}
	return entry
}

func contentOf(e *keyvaluev1.Entry) []byte { return append([]byte(e.GetValue()), e.GetData()...) }
