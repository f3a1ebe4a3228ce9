// Package contract is what the programs and layers of the store must agree on: the methods of keyvalue.v1.KeyValueService,
// the reasons for which a call can fail, and the limits.
//
// [Methods] is the table of methods. A layer that treats methods differently reads the table instead of naming them, so
// a new operation is a row there, its handler, its engine method, its REST route and its command.
//
// A failed call crosses the wire as a status code with a google.rpc.ErrorInfo, so clients can tell failures apart by
// their [Reason] without parsing messages.
//
// The package imports nothing of this module but the generated code and ranges of keys.
package contract

import (
	"reflect"

	"connectrpc.com/connect/v2"
	"google.golang.org/protobuf/proto"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/keyrange"
)

// A Method is one RPC of the contract and what the layers must know about it.
type Method struct {
	// Name is the field of Operation and OperationResult, such as "get". It is empty for a method that a batch cannot
	// carry.
	Name string
	// Procedure is the path of the RPC, such as "/keyvalue.v1.KeyValueService/Get".
	Procedure string
	// Rights are what the caller needs on the keys of the request. Zero means that each operation in the request needs
	// its own rights, or for GetCaller, which accesses no keys, that any caller may make it.
	Rights Rights
	// Size is how much work a call can be.
	Size Size
	// Idempotency is the level that the proto file declares.
	Idempotency connect.IdempotencyLevel

	request reflect.Type // of the request message
	keys    func(request any) Keys

	// Set only for methods with a Name.
	wrap         func(request any) *keyvaluev1.Operation
	unwrap       func(*keyvaluev1.Operation) proto.Message // nil: another operation
	unwrapResult func(*keyvaluev1.OperationResult) proto.Message
	deliver      func(result *keyvaluev1.OperationResult, response any) bool
}

// Rights is a set of permissions on keys.
type Rights uint8

// The permissions. A response that reveals the content of an entry requires Read.
const (
	Read Rights = 1 << iota
	Write
)

// Size is how much work a call can be. The limiter treats calls by their size.
type Size uint8

const (
	// OneEntry calls read or write one entry.
	OneEntry Size = iota + 1
	// ManyEntries calls can read or write many entries, so only a few run at a time.
	ManyEntries
	// OpenEnded calls are streams that last until the caller closes them. They are limited in number.
	OpenEnded
	// Exempt calls report the state of the service, or are answered by the gateway. They are never rejected because of load.
	Exempt
)

// Keys are the keys that a call accesses.
type Keys struct {
	Key    string // the one key, or the prefix of all of them
	Prefix bool   // whether Key is a prefix; an empty prefix means every key
	Start  string // with Prefix: only keys from this one on; empty: no lower bound
	End    string // with Prefix: only keys before this one; empty: no upper bound
}

// Range returns the range of the keys. A range that no key can be in counts as all keys with the prefix, so that a call
// needs the same rights whether or not its bounds are in order.
func (k Keys) Range() keyrange.Range {
	if r := keyrange.Of(k.Key, k.Start, k.End); !r.Empty() {
		return r
	}
	return keyrange.Of(k.Key, "", "")
}

// Keys returns the keys that request accesses. For Batch, call Keys for each operation instead.
func (m *Method) Keys(request any) Keys { return m.keys(request) }

// Batchable reports whether a batch can carry calls of m. It is false if m is nil.
func (m *Method) Batchable() bool { return m != nil && m.Name != "" }

// ReadOnly reports whether calls of m change nothing, so that they can be retried safely. It is false if m is nil.
func (m *Method) ReadOnly() bool {
	return m != nil && m.Idempotency == connect.IdempotencyNoSideEffects
}

// Wrap returns request as an operation of a batch. The method must be batchable. If request belongs to another method, the
// operation is empty and the service rejects it.
func (m *Method) Wrap(request any) *keyvaluev1.Operation { return m.wrap(request) }

// Deliver moves the fields of the response in result to response. The method must be batchable. It reports whether result
// holds a response of m. The message in result must not be used afterwards.
func (m *Method) Deliver(result *keyvaluev1.OperationResult, response any) bool {
	return m.deliver(result, response)
}

// Methods returns all methods of the contract. Callers must not modify the slice.
func Methods() []*Method { return methods }

// MethodOf returns the method with this procedure, or nil if there is none.
func MethodOf(procedure string) *Method { return byProcedure[procedure] }

// MethodFor returns the method that takes this request message, or nil if there is none.
func MethodFor(request any) *Method { return byRequest[reflect.TypeOf(request)] }

// Unwrap returns the method and the request of an operation in a batch, or nil if the operation is empty.
func Unwrap(operation *keyvaluev1.Operation) (*Method, proto.Message) {
	for _, m := range batchable {
		if request := m.unwrap(operation); request != nil {
			return m, request
		}
	}
	return nil, nil
}

// UnwrapResult returns the method and the response in the result of an operation, or nil if the result is an error or
// empty.
func UnwrapResult(result *keyvaluev1.OperationResult) (*Method, proto.Message) {
	for _, m := range batchable {
		if response := m.unwrapResult(result); response != nil {
			return m, response
		}
	}
	return nil, nil
}

// An Operation is a method that a batch can carry, with the types of its messages.
type Operation[Request, Response Message] struct {
	*Method

	// Wrap and WrapResult return a request or response as a message of a batch.
	Wrap       func(Request) *keyvaluev1.Operation
	WrapResult func(Response) *keyvaluev1.OperationResult

	// Unwrap and UnwrapResult are their inverses. They return nil for a message of another operation.
	Unwrap       func(*keyvaluev1.Operation) Request
	UnwrapResult func(*keyvaluev1.OperationResult) Response

	// Move sets each field of to from the same field of from, without copying what it points to.
	Move func(to, from Response)
}

// Message is a pointer to a generated message.
type Message interface {
	comparable
	proto.Message
}

// method completes the row of any method.
func method[Request Message](m Method, keys func(Request) Keys) *Method {
	var request Request
	m.request = reflect.TypeOf(request)
	m.keys = func(request any) Keys { return keys(request.(Request)) }
	return &m
}

// operation completes the row of a method that a batch can carry.
func operation[Request interface {
	Message
	GetKey() string
}, Response Message](m Method, op Operation[Request, Response]) *Operation[Request, Response] {
	var none Request
	var noResponse Response
	op.Method = method(m, func(request Request) Keys { return Keys{Key: request.GetKey()} })
	op.wrap = func(request any) *keyvaluev1.Operation {
		if r, ok := request.(Request); ok {
			return op.Wrap(r)
		}
		return &keyvaluev1.Operation{}
	}
	op.unwrap = func(operation *keyvaluev1.Operation) proto.Message {
		if request := op.Unwrap(operation); request != none {
			return request
		}
		return nil
	}
	op.unwrapResult = func(result *keyvaluev1.OperationResult) proto.Message {
		if response := op.UnwrapResult(result); response != noResponse {
			return response
		}
		return nil
	}
	op.deliver = func(result *keyvaluev1.OperationResult, response any) bool {
		from := op.UnwrapResult(result)
		to, ok := response.(Response)
		if ok = ok && from != noResponse; ok {
			op.Move(to, from)
		}
		return ok
	}
	return &op
}
