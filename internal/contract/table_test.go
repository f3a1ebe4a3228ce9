package contract_test

import (
	"testing"

	"connectrpc.com/connect/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
)

var service = keyvaluev1.File_keyvalue_v1_service_proto.Services().ByName("KeyValueService")

// newMessage returns a message of the generated type, all fields of which are set to something.
func newMessage(t *testing.T, descriptor protoreflect.MessageDescriptor) proto.Message {
	t.Helper()
	messageType, err := protoregistry.GlobalTypes.FindMessageByName(descriptor.FullName())
	if err != nil {
		t.Fatal(err)
	}
	message := messageType.New()
	fill(message)
	return message.Interface()
}

// fill sets every field of message: of a oneof, the last.
func fill(message protoreflect.Message) {
	fields := message.Descriptor().Fields()
	for i := range fields.Len() {
		switch field := fields.Get(i); {
		case field.IsList(), field.IsMap():
		case field.Kind() == protoreflect.MessageKind:
			fill(message.Mutable(field).Message())
		default:
			message.Set(field, filler(field.Kind()))
		}
	}
}

func filler(kind protoreflect.Kind) protoreflect.Value {
	switch kind {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString("x")
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte("x"))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(7)
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(7)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(1)
	}
	return protoreflect.ValueOfInt64(7)
}

func idempotency(m protoreflect.MethodDescriptor) connect.IdempotencyLevel {
	options, _ := m.Options().(*descriptorpb.MethodOptions)
	return connect.IdempotencyLevel(options.GetIdempotencyLevel())
}

func TestTheTableHasEveryMethodOfTheService(t *testing.T) {
	t.Parallel()
	descriptors := service.Methods()
	if got := len(contract.Methods()); got != descriptors.Len() {
		t.Errorf("the table has %d methods, want %d", got, descriptors.Len())
	}
	for i := range descriptors.Len() {
		descriptor := descriptors.Get(i)
		m := contract.MethodOf("/" + string(service.FullName()) + "/" + string(descriptor.Name()))
		if m == nil {
			t.Errorf("the table lacks %s", descriptor.Name())
			continue
		}
		request := newMessage(t, descriptor.Input())
		if got := contract.MethodFor(request); got != m {
			t.Errorf("MethodFor(%T) = %v, want %s", request, got, m.Procedure)
		}
		if got, want := m.Idempotency, idempotency(descriptor); got != want {
			t.Errorf("%s: idempotency level %v, want %v as in the proto file", descriptor.Name(), got, want)
		}
		if got, want := m.Size == contract.OpenEnded, descriptor.IsStreamingServer(); got != want {
			t.Errorf("%s: OpenEnded is %t, want it for streams alone", descriptor.Name(), got)
		}
		if m.ReadOnly() && m.Rights != contract.Read && m != contract.GetCaller && m != contract.GetKeyStats {
			t.Errorf("%s has no side effects and needs rights %b, want Read", descriptor.Name(), m.Rights)
		}
		if m.Size == 0 || m.Rights == 0 && m != contract.Batch && m != contract.GetCaller {
			t.Errorf("%s: size %d and rights %b, want both to be set", descriptor.Name(), m.Size, m.Rights)
		}
	}
	if m := contract.MethodOf("/keyvalue.v1.KeyValueService/Nope"); m != nil || m.Batchable() || m.ReadOnly() {
		t.Errorf("MethodOf an unknown procedure = %v, want nil, which is neither batchable nor read-only", m)
	}
	if m := contract.MethodFor(nil); m != nil {
		t.Errorf("MethodFor(nil) = %v, want nil", m)
	}
}

func TestRightsSizesAndKeys(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		method  *contract.Method
		rights  contract.Rights
		size    contract.Size
		request proto.Message
		keys    contract.Keys
	}{
		{contract.Get.Method, contract.Read, contract.OneEntry, &keyvaluev1.GetRequest{Key: "k"}, contract.Keys{Key: "k"}},
		{contract.Set.Method, contract.Write, contract.OneEntry, &keyvaluev1.SetRequest{Key: "k"}, contract.Keys{Key: "k"}},
		{contract.Delete.Method, contract.Write, contract.OneEntry, &keyvaluev1.DeleteRequest{Key: "k"}, contract.Keys{Key: "k"}},
		{contract.Touch.Method, contract.Write, contract.OneEntry, &keyvaluev1.TouchRequest{Key: "k"}, contract.Keys{Key: "k"}},
		{contract.Increment.Method, contract.Read | contract.Write, contract.OneEntry, &keyvaluev1.IncrementRequest{Key: "k"}, contract.Keys{Key: "k"}},
		{contract.List, contract.Read, contract.ManyEntries, &keyvaluev1.ListRequest{Prefix: "p"}, contract.Keys{Key: "p", Prefix: true}},
		{
			contract.List, contract.Read, contract.ManyEntries, &keyvaluev1.ListRequest{Prefix: "p", Start: "pa", End: "pc"},
			contract.Keys{Key: "p", Prefix: true, Start: "pa", End: "pc"},
		},
		{
			contract.DeleteRange, contract.Write, contract.ManyEntries, &keyvaluev1.DeleteRangeRequest{Prefix: "p", Start: "pa", End: "pc"},
			contract.Keys{Key: "p", Prefix: true, Start: "pa", End: "pc"},
		},
		{contract.Batch, 0, contract.ManyEntries, &keyvaluev1.BatchRequest{}, contract.Keys{Prefix: true}},
		{contract.Watch, contract.Read, contract.OpenEnded, &keyvaluev1.WatchRequest{}, contract.Keys{Prefix: true}},
		{
			contract.Watch, contract.Read, contract.OpenEnded,
			&keyvaluev1.WatchRequest{Target: &keyvaluev1.WatchRequest_Key{Key: "k"}}, contract.Keys{Key: "k"},
		},
		{
			contract.Watch, contract.Read, contract.OpenEnded,
			&keyvaluev1.WatchRequest{Target: &keyvaluev1.WatchRequest_Prefix{Prefix: "p"}}, contract.Keys{Key: "p", Prefix: true},
		},
		{
			contract.CreateTicket, contract.Read, contract.Exempt,
			&keyvaluev1.CreateTicketRequest{Target: &keyvaluev1.CreateTicketRequest_Key{Key: "k"}}, contract.Keys{Key: "k"},
		},
		{
			contract.CreateTicket, contract.Read, contract.Exempt,
			&keyvaluev1.CreateTicketRequest{Target: &keyvaluev1.CreateTicketRequest_Prefix{Prefix: "p"}}, contract.Keys{Key: "p", Prefix: true},
		},
		{contract.GetStats, contract.Read, contract.Exempt, &keyvaluev1.GetStatsRequest{}, contract.Keys{Prefix: true}},
		{
			contract.GetKeyStats, contract.Read | contract.Write, contract.Exempt, &keyvaluev1.GetKeyStatsRequest{},
			contract.Keys{Prefix: true},
		},
		{contract.GetCaller, 0, contract.Exempt, &keyvaluev1.GetCallerRequest{}, contract.Keys{}},
	} {
		m := test.method
		if m.Rights != test.rights || m.Size != test.size || m.Keys(test.request) != test.keys {
			t.Errorf("%s: rights %b, size %d, keys of %v are %+v; want %b, %d, %+v",
				m.Procedure, m.Rights, m.Size, test.request, m.Keys(test.request), test.rights, test.size, test.keys)
		}
	}
}

func TestTheTableHasEveryOperationOfABatch(t *testing.T) {
	t.Parallel()
	fields := (&keyvaluev1.Operation{}).ProtoReflect().Descriptor().Fields()
	results := (&keyvaluev1.OperationResult{}).ProtoReflect().Descriptor().Fields()
	batchable := 0
	for _, m := range contract.Methods() {
		if m.Batchable() {
			batchable++
		}
	}
	if batchable != fields.Len() || batchable != results.Len()-1 { // a result can also be an error
		t.Errorf("%d methods are batchable, want %d as Operation has and %d as OperationResult has",
			batchable, fields.Len(), results.Len()-1)
	}
	for i := range fields.Len() {
		field := fields.Get(i)
		request := newMessage(t, field.Message())
		operation := &keyvaluev1.Operation{}
		operation.ProtoReflect().Set(field, protoreflect.ValueOfMessage(request.ProtoReflect()))
		m, got := contract.Unwrap(operation)
		if m == nil || m.Name != string(field.Name()) || got != request {
			t.Errorf("Unwrap(%s) = %v, %v; want its row and its request", field.Name(), m, got)
			continue
		}
		if got := m.Wrap(request); !proto.Equal(got, operation) {
			t.Errorf("Wrap(%T) = %v, want %v", request, got, operation)
		}
		if got := m.Wrap(nil); got.GetOperation() != nil {
			t.Errorf("%s: Wrap(nil) = %v, want an empty operation", m.Name, got)
		}
		if got := m.Keys(request); got != (contract.Keys{Key: "x"}) {
			t.Errorf("%s: keys %+v, want the key of the request", m.Name, got)
		}
		checkResult(t, m, results.ByName(field.Name()))
	}
	if m, request := contract.Unwrap(&keyvaluev1.Operation{}); m != nil || request != nil {
		t.Errorf("Unwrap of an empty operation = %v, %v; want nil", m, request)
	}
}

// checkResult checks that the response of m, the field of OperationResult, arrives with each of its fields.
func checkResult(t *testing.T, m *contract.Method, field protoreflect.FieldDescriptor) {
	t.Helper()
	response := newMessage(t, field.Message())
	want := proto.Clone(response)
	result := &keyvaluev1.OperationResult{}
	result.ProtoReflect().Set(field, protoreflect.ValueOfMessage(response.ProtoReflect()))
	if got, unwrapped := contract.UnwrapResult(result); got != m || unwrapped != response {
		t.Errorf("UnwrapResult(%s) = %v, %v; want its row and its response", field.Name(), got, unwrapped)
	}
	into := response.ProtoReflect().New().Interface()
	if !m.Deliver(result, into) || !proto.Equal(into, want) {
		t.Errorf("%s: delivered %v, want %v", m.Name, into, want)
	}
	failed := &keyvaluev1.OperationResult{Result: &keyvaluev1.OperationResult_Error{Error: &keyvaluev1.OperationError{}}}
	for _, other := range []*keyvaluev1.OperationResult{nil, {}, failed} {
		if got, _ := contract.UnwrapResult(other); got != nil || m.Deliver(other, into) {
			t.Errorf("%s: a result %v was delivered", m.Name, other)
		}
	}
	if m.Deliver(result, &keyvaluev1.GetStatsResponse{}) {
		t.Errorf("%s was delivered to a response of another method", m.Name)
	}
}

func TestTypedRowsWrapWhatTheyUnwrap(t *testing.T) {
	t.Parallel()
	typed(t, contract.Get)
	typed(t, contract.Set)
	typed(t, contract.Delete)
	typed(t, contract.Touch)
	typed(t, contract.Increment)
}

func typed[Request, Response contract.Message](t *testing.T, op *contract.Operation[Request, Response]) {
	t.Helper()
	var request Request
	var response Response
	request, _ = request.ProtoReflect().New().Interface().(Request)
	response, _ = response.ProtoReflect().New().Interface().(Response)
	if op.Unwrap(op.Wrap(request)) != request || op.UnwrapResult(op.WrapResult(response)) != response {
		t.Errorf("%s does not unwrap what it wraps", op.Name)
	}
}

func TestNothingIsAllocatedToLookUpAMethod(t *testing.T) {
	request := &keyvaluev1.GetRequest{Key: "a"}
	operation := contract.Get.Wrap(request)
	if n := testing.AllocsPerRun(100, func() {
		m := contract.MethodOf(contract.Get.Procedure)
		other, unwrapped := contract.Unwrap(operation)
		if m != other || m != contract.MethodFor(request) || m.Keys(unwrapped).Key != "a" {
			t.Error("a lookup failed")
		}
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
