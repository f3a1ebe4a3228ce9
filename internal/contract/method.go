package contract

import (
	"reflect"

	"connectrpc.com/connect/v2"
	"google.golang.org/protobuf/proto"

	keyvaluev1 "key-value/gen/keyvalue/v1"
)

// A Method is a row of the table: one RPC of the contract and what each layer must know about it.
type Method struct {
	// Name is what a batch calls the operation, such as "get": the field of Operation and of OperationResult. It is empty
	// for a method whose calls a batch cannot carry.
	Name string
	// Procedure is the path of the RPC, such as "/keyvalue.v1.KeyValueService/Get".
	Procedure string
	// Rights are what the caller needs on the keys of the request. Zero means those that the operations in the request
	// need, each on its own key.
	Rights Rights
	// Size is how much work a call can be.
	Size Size
	// Idempotency says what it means to make a call twice.
	Idempotency connect.IdempotencyLevel

	request reflect.Type // of the request message
	keys    func(request any) Keys

	// Set for methods with a Name.
	wrap         func(request any) *keyvaluev1.Operation
	unwrap       func(*keyvaluev1.Operation) proto.Message // nil: another operation
	unwrapResult func(*keyvaluev1.OperationResult) proto.Message
	deliver      func(result *keyvaluev1.OperationResult, response any) bool
}

// Rights are a set of permissions.
type Rights uint8

// The permissions. An answer that reveals what is stored under a key needs Read.
const (
	Read Rights = 1 << iota
	Write
)

// Size is how much work a call can be. Limiters count calls by it.
type Size uint8

const (
	// Exempt calls say how the service is doing. They are never rejected because of load.
	Exempt Size = iota
	// OneEntry calls touch one entry.
	OneEntry
	// ManyEntries calls can touch many entries, so only as many run at a time as there are processors to run them.
	ManyEntries
	// OpenEnded calls are streams that last until the caller ends them.
	OpenEnded
)

// Keys are the keys that a call concerns.
type Keys struct {
	Key    string // the key, or the prefix that all keys have in common
	Prefix bool   // whether it is a prefix; an empty prefix means every key
}

// Keys returns the keys that a request of m concerns. For Batch they are unknown: ask for those of each operation.
func (m *Method) Keys(request any) Keys { return m.keys(request) }

// Batchable reports whether a batch can carry calls of m. It is false for nil.
func (m *Method) Batchable() bool { return m != nil && m.Name != "" }

// ReadOnly reports whether calls of m change nothing, so that one can safely be made twice. It is false for nil.
func (m *Method) ReadOnly() bool {
	return m != nil && m.Idempotency == connect.IdempotencyNoSideEffects
}

// Wrap returns request as an operation of a batch. A request of another method becomes an empty operation, which the
// service rejects.
func (m *Method) Wrap(request any) *keyvaluev1.Operation { return m.wrap(request) }

// Deliver moves the fields of the response in result to response, and reports whether result holds one of m. The
// message in result must not be used afterwards.
func (m *Method) Deliver(result *keyvaluev1.OperationResult, response any) bool {
	return m.deliver(result, response)
}

// Methods returns the table. The caller must not change it.
func Methods() []*Method { return methods }

// MethodOf returns the method with a procedure, or nil if the contract has none.
func MethodOf(procedure string) *Method { return byProcedure[procedure] }

// MethodFor returns the method with this request message, or nil if the contract has none.
func MethodFor(request any) *Method { return byRequest[reflect.TypeOf(request)] }

// Unwrap returns the method of an operation in a batch and its request, or nil if the operation is empty or unknown.
func Unwrap(operation *keyvaluev1.Operation) (*Method, proto.Message) {
	for _, m := range batchable {
		if request := m.unwrap(operation); request != nil {
			return m, request
		}
	}
	return nil, nil
}

// UnwrapResult returns the method of the result of an operation and its response, or nil if the result is an error,
// empty or unknown.
func UnwrapResult(result *keyvaluev1.OperationResult) (*Method, proto.Message) {
	for _, m := range batchable {
		if response := m.unwrapResult(result); response != nil {
			return m, response
		}
	}
	return nil, nil
}

// An Operation is a method whose calls a batch can carry, with the types of its messages.
type Operation[Request, Response Message] struct {
	*Method

	// Wrap and WrapResult make the messages that a batch consists of.
	Wrap       func(Request) *keyvaluev1.Operation
	WrapResult func(Response) *keyvaluev1.OperationResult

	// Unwrap and UnwrapResult undo them. They return nil for a message of another operation.
	Unwrap       func(*keyvaluev1.Operation) Request
	UnwrapResult func(*keyvaluev1.OperationResult) Response

	// Move sets each field of to as it is in from.
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
