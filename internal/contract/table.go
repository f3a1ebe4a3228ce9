package contract

import (
	"reflect"
	"strings"

	"connectrpc.com/connect/v2"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	rpc "key-value/gen/keyvalue/v1/keyvaluev1connect"
)

// The methods that a batch can carry.
var (
	Get = operation(Method{
		Name: "get", Procedure: rpc.KeyValueServiceGetProcedure,
		Rights: Read, Size: OneEntry, Idempotency: connect.IdempotencyNoSideEffects,
	}, Operation[*keyvaluev1.GetRequest, *keyvaluev1.GetResponse]{
		Wrap: func(r *keyvaluev1.GetRequest) *keyvaluev1.Operation {
			m := &struct { // in one allocation
				operation keyvaluev1.Operation
				get       keyvaluev1.Operation_Get
			}{}
			m.get.Get = r
			m.operation.Operation = &m.get
			return &m.operation
		},
		WrapResult: func(r *keyvaluev1.GetResponse) *keyvaluev1.OperationResult {
			m := &struct { // in one allocation
				result keyvaluev1.OperationResult
				get    keyvaluev1.OperationResult_Get
			}{}
			m.get.Get = r
			m.result.Result = &m.get
			return &m.result
		},
		Unwrap:       (*keyvaluev1.Operation).GetGet,
		UnwrapResult: (*keyvaluev1.OperationResult).GetGet,
		Move:         func(to, from *keyvaluev1.GetResponse) { to.Entry = from.GetEntry() },
	})

	Set = operation(Method{
		Name: "set", Procedure: rpc.KeyValueServiceSetProcedure,
		Rights: Write, Size: OneEntry,
	}, Operation[*keyvaluev1.SetRequest, *keyvaluev1.SetResponse]{
		Wrap: func(r *keyvaluev1.SetRequest) *keyvaluev1.Operation {
			m := &struct { // in one allocation
				operation keyvaluev1.Operation
				set       keyvaluev1.Operation_Set
			}{}
			m.set.Set = r
			m.operation.Operation = &m.set
			return &m.operation
		},
		WrapResult: func(r *keyvaluev1.SetResponse) *keyvaluev1.OperationResult {
			m := &struct { // in one allocation
				result keyvaluev1.OperationResult
				set    keyvaluev1.OperationResult_Set
			}{}
			m.set.Set = r
			m.result.Result = &m.set
			return &m.result
		},
		Unwrap:       (*keyvaluev1.Operation).GetSet,
		UnwrapResult: (*keyvaluev1.OperationResult).GetSet,
		Move: func(to, from *keyvaluev1.SetResponse) {
			to.Entry, to.Created = from.GetEntry(), from.GetCreated()
		},
	})

	Delete = operation(Method{
		Name: "delete", Procedure: rpc.KeyValueServiceDeleteProcedure,
		Rights: Write, Size: OneEntry, Idempotency: connect.IdempotencyIdempotent,
	}, Operation[*keyvaluev1.DeleteRequest, *keyvaluev1.DeleteResponse]{
		Wrap: func(r *keyvaluev1.DeleteRequest) *keyvaluev1.Operation {
			return &keyvaluev1.Operation{Operation: &keyvaluev1.Operation_Delete{Delete: r}}
		},
		WrapResult: func(r *keyvaluev1.DeleteResponse) *keyvaluev1.OperationResult {
			return &keyvaluev1.OperationResult{Result: &keyvaluev1.OperationResult_Delete{Delete: r}}
		},
		Unwrap:       (*keyvaluev1.Operation).GetDelete,
		UnwrapResult: (*keyvaluev1.OperationResult).GetDelete,
		Move: func(to, from *keyvaluev1.DeleteResponse) {
			to.Deleted, to.Revision = from.GetDeleted(), from.GetRevision()
		},
	})

	Touch = operation(Method{
		Name: "touch", Procedure: rpc.KeyValueServiceTouchProcedure,
		Rights: Write, Size: OneEntry,
	}, Operation[*keyvaluev1.TouchRequest, *keyvaluev1.TouchResponse]{
		Wrap: func(r *keyvaluev1.TouchRequest) *keyvaluev1.Operation {
			return &keyvaluev1.Operation{Operation: &keyvaluev1.Operation_Touch{Touch: r}}
		},
		WrapResult: func(r *keyvaluev1.TouchResponse) *keyvaluev1.OperationResult {
			return &keyvaluev1.OperationResult{Result: &keyvaluev1.OperationResult_Touch{Touch: r}}
		},
		Unwrap:       (*keyvaluev1.Operation).GetTouch,
		UnwrapResult: (*keyvaluev1.OperationResult).GetTouch,
		Move:         func(to, from *keyvaluev1.TouchResponse) { to.Entry = from.GetEntry() },
	})

	// Increment requires Read too, because its response is the new value.
	Increment = operation(Method{
		Name: "increment", Procedure: rpc.KeyValueServiceIncrementProcedure,
		Rights: Read | Write, Size: OneEntry,
	}, Operation[*keyvaluev1.IncrementRequest, *keyvaluev1.IncrementResponse]{
		Wrap: func(r *keyvaluev1.IncrementRequest) *keyvaluev1.Operation {
			return &keyvaluev1.Operation{Operation: &keyvaluev1.Operation_Increment{Increment: r}}
		},
		WrapResult: func(r *keyvaluev1.IncrementResponse) *keyvaluev1.OperationResult {
			return &keyvaluev1.OperationResult{Result: &keyvaluev1.OperationResult_Increment{Increment: r}}
		},
		Unwrap:       (*keyvaluev1.Operation).GetIncrement,
		UnwrapResult: (*keyvaluev1.OperationResult).GetIncrement,
		Move: func(to, from *keyvaluev1.IncrementResponse) {
			to.Value, to.Entry = from.GetValue(), from.GetEntry()
		},
	})
)

// The methods that a batch cannot carry.
var (
	List = method(Method{
		Procedure: rpc.KeyValueServiceListProcedure,
		Rights:    Read, Size: ManyEntries, Idempotency: connect.IdempotencyNoSideEffects,
	}, func(r *keyvaluev1.ListRequest) Keys {
		return Keys{Key: r.GetPrefix(), Prefix: true, Start: r.GetStart(), End: r.GetEnd()}
	})

	DeleteRange = method(Method{
		Procedure: rpc.KeyValueServiceDeleteRangeProcedure,
		Rights:    Write, Size: ManyEntries,
	}, func(r *keyvaluev1.DeleteRangeRequest) Keys {
		return Keys{Key: r.GetPrefix(), Prefix: true, Start: r.GetStart(), End: r.GetEnd()}
	})

	Batch = method(Method{
		Procedure: rpc.KeyValueServiceBatchProcedure,
		Size:      ManyEntries, // no rights of its own: each operation is checked
	}, func(*keyvaluev1.BatchRequest) Keys { return Keys{Prefix: true} })

	Watch = method(Method{
		Procedure: rpc.KeyValueServiceWatchProcedure,
		Rights:    Read, Size: OpenEnded,
	}, func(r *keyvaluev1.WatchRequest) Keys {
		if key, ok := r.GetTarget().(*keyvaluev1.WatchRequest_Key); ok {
			return Keys{Key: key.Key}
		}
		return Keys{Key: r.GetPrefix(), Prefix: true}
	})

	// CreateTicket is answered by the gateway, and never sent to the service.
	CreateTicket = method(Method{
		Procedure: rpc.KeyValueServiceCreateTicketProcedure,
		Rights:    Read, Size: Exempt,
	}, func(r *keyvaluev1.CreateTicketRequest) Keys {
		if key, ok := r.GetTarget().(*keyvaluev1.CreateTicketRequest_Key); ok {
			return Keys{Key: key.Key}
		}
		return Keys{Key: r.GetPrefix(), Prefix: true}
	})

	GetStats = method(Method{
		Procedure: rpc.KeyValueServiceGetStatsProcedure,
		Rights:    Read, Size: Exempt, Idempotency: connect.IdempotencyNoSideEffects,
	}, func(*keyvaluev1.GetStatsRequest) Keys { return Keys{Prefix: true} })

	// GetKeyStats needs all rights, because its response names keys.
	GetKeyStats = method(Method{
		Procedure: rpc.KeyValueServiceGetKeyStatsProcedure,
		Rights:    Read | Write, Size: Exempt, Idempotency: connect.IdempotencyNoSideEffects,
	}, func(*keyvaluev1.GetKeyStatsRequest) Keys { return Keys{Prefix: true} })

	// GetCaller is answered by the gateway for every valid API key, and never sent to the service.
	GetCaller = method(Method{
		Procedure: rpc.KeyValueServiceGetCallerProcedure,
		Size:      Exempt, Idempotency: connect.IdempotencyNoSideEffects,
	}, func(*keyvaluev1.GetCallerRequest) Keys { return Keys{} })
)

var (
	batchable   = []*Method{Get.Method, Set.Method, Delete.Method, Touch.Method, Increment.Method} // most frequent first, for Unwrap
	methods     = append(batchable[:len(batchable):len(batchable)], List, DeleteRange, Batch, Watch, CreateTicket, GetStats, GetKeyStats, GetCaller)
	byProcedure = index(func(m *Method) string { return m.Procedure })
	byRequest   = index(func(m *Method) reflect.Type { return m.request })
)

// OperationNames lists the names of the methods that a batch can carry, for error messages.
var OperationNames = func() string {
	names := make([]string, len(batchable))
	for i, m := range batchable {
		names[i] = m.Name
	}
	return strings.Join(names, ", ")
}()

func index[K comparable](key func(*Method) K) map[K]*Method {
	index := make(map[K]*Method, len(methods))
	for _, m := range methods {
		index[key(m)] = m
	}
	return index
}
