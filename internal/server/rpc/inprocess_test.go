package rpc_test

import (
	"context"
	"errors"
	"testing"

	"connectrpc.com/connect/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/server/rpc"
)

// Every field of every request and response must arrive. A new field is easily forgotten where fields are copied by hand.
func TestInProcessCallsCarryEveryField(t *testing.T) {
	methods := keyvaluev1.File_keyvalue_v1_service_proto.Services().Get(0).Methods()
	for i := range methods.Len() {
		for _, descriptor := range []protoreflect.MessageDescriptor{methods.Get(i).Input(), methods.Get(i).Output()} {
			kind, err := protoregistry.GlobalTypes.FindMessageByName(descriptor.FullName())
			if err != nil {
				t.Fatal(err)
			}
			for f := range descriptor.Fields().Len() {
				sent := kind.New()
				field := descriptor.Fields().Get(f)
				fill(sent, field)
				got := kind.New().Interface()
				if err := echo(t, sent.Interface(), got); err != nil || !proto.Equal(sent.Interface(), got) {
					t.Errorf("%s with %s arrived as {%v}, %v", descriptor.Name(), field.Name(), got, err)
				}
			}
		}
	}
}

// fill sets one field to a value other than zero.
func fill(m protoreflect.Message, field protoreflect.FieldDescriptor) {
	switch {
	case field.IsList():
		list := m.Mutable(field).List()
		list.Append(list.NewElement())
	case field.Message() != nil:
		m.Mutable(field)
	default:
		m.Set(field, map[protoreflect.Kind]protoreflect.Value{
			protoreflect.StringKind: protoreflect.ValueOfString("x"),
			protoreflect.BytesKind:  protoreflect.ValueOfBytes([]byte("x")),
			protoreflect.BoolKind:   protoreflect.ValueOfBool(true),
			protoreflect.Int32Kind:  protoreflect.ValueOfInt32(7),
			protoreflect.Int64Kind:  protoreflect.ValueOfInt64(7),
			protoreflect.Sint64Kind: protoreflect.ValueOfInt64(7),
			protoreflect.DoubleKind: protoreflect.ValueOfFloat64(7),
			protoreflect.Uint64Kind: protoreflect.ValueOfUint64(7),
		}[field.Kind()])
	}
}

// echo sends a message to a server in this process that sends it back.
func echo(t *testing.T, sent, got proto.Message) error {
	t.Helper()
	server := connect.NewServer()
	server.Register(connect.Method{
		Spec: connect.Spec{Procedure: "/echo/Echo"},
		Handler: func(_ context.Context, _ connect.Spec, stream connect.ServerStream) error {
			message := sent.ProtoReflect().New().Interface()
			if err := stream.Receive(message); err != nil {
				return err
			}
			return stream.Send(message)
		},
	})
	return connect.NewClient(rpc.InProcess(server)).CallUnary(t.Context(), connect.Spec{Procedure: "/echo/Echo"}, sent, got)
}

// A call in this process has metadata as one over a network has it: headers travel, those of the client are not those of
// calls that the server makes, and the error of the server is that of a peer.
func TestInProcessCallsHaveMetadataAsOthersHaveIt(t *testing.T) {
	server := connect.NewServer()
	spec := connect.Spec{Procedure: "/test/Test"}
	server.Register(connect.Method{Spec: spec, Handler: func(ctx context.Context, _ connect.Spec, _ connect.ServerStream) error {
		if _, ok := connect.CallInfoForClientContext(ctx); ok {
			t.Error("the server sees the metadata of the client")
		}
		info, _ := connect.CallInfoForServerContext(ctx)
		info.ResponseHeader().Set("Answer", info.RequestHeader().Get("Question"))
		info.ResponseTrailer().Set("End", "yes")
		return connect.NewError(connect.CodeNotFound, "nothing")
	}})
	ctx, info := connect.NewClientContext(t.Context())
	info.RequestHeader().Set("Question", "why")
	err := connect.NewClient(rpc.InProcess(server)).CallUnary(ctx, spec, &keyvaluev1.GetRequest{}, &keyvaluev1.GetResponse{})
	if e, ok := errors.AsType[*connect.Error](err); !ok || e.Code() != connect.CodeNotFound || !e.IsRemote() {
		t.Errorf("the call ended with %v, want not_found of a peer", err)
	}
	if got := info.ResponseHeader().Get("Answer") + info.ResponseTrailer().Get("End"); got != "whyyes" || info.Spec != spec {
		t.Errorf("the client got the metadata %q and spec %v", got, info.Spec)
	}
}
