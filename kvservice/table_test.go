package kvservice_test

import (
	"context"
	"log/slog"
	"testing"

	"connectrpc.com/connect/v2"
	"google.golang.org/protobuf/reflect/protoreflect"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/admission"
	"key-value/internal/contract"
	"key-value/internal/server/rpc"
	"key-value/kvservice"
)

// methods calls each method of the contract.
var methods = map[*contract.Method]func(context.Context, client) error{
	contract.Get.Method: func(ctx context.Context, kv client) error {
		_, err := kv.Get(ctx, &keyvaluev1.GetRequest{Key: "k"})
		return err
	},
	contract.Set.Method: func(ctx context.Context, kv client) error {
		_, err := kv.Set(ctx, text("k", "1"))
		return err
	},
	contract.Delete.Method: func(ctx context.Context, kv client) error {
		_, err := kv.Delete(ctx, &keyvaluev1.DeleteRequest{Key: "k"})
		return err
	},
	contract.Touch.Method: func(ctx context.Context, kv client) error {
		_, err := kv.Touch(ctx, &keyvaluev1.TouchRequest{Key: "k"})
		return err
	},
	contract.Increment.Method: func(ctx context.Context, kv client) error {
		_, err := kv.Increment(ctx, &keyvaluev1.IncrementRequest{Key: "k"})
		return err
	},
	contract.List: func(ctx context.Context, kv client) error {
		_, err := kv.List(ctx, &keyvaluev1.ListRequest{})
		return err
	},
	contract.DeleteRange: func(ctx context.Context, kv client) error {
		_, err := kv.DeleteRange(ctx, &keyvaluev1.DeleteRangeRequest{Prefix: "k"})
		return err
	},
	contract.Batch: func(ctx context.Context, kv client) error {
		_, err := kv.Batch(ctx, &keyvaluev1.BatchRequest{Operations: []*keyvaluev1.Operation{opGet("k")}})
		return err
	},
	contract.Watch: func(ctx context.Context, kv client) error {
		stream, err := kv.Watch(ctx, key("k"))
		if err != nil {
			return err
		}
		defer stream.Close()
		_, err = stream.Receive()
		return err
	},
	contract.CreateTicket: func(ctx context.Context, kv client) error {
		_, err := kv.CreateTicket(ctx, &keyvaluev1.CreateTicketRequest{Target: &keyvaluev1.CreateTicketRequest_Prefix{}})
		return err
	},
	contract.GetCaller: func(ctx context.Context, kv client) error {
		_, err := kv.GetCaller(ctx, &keyvaluev1.GetCallerRequest{})
		return err
	},
	contract.GetKeyStats: func(ctx context.Context, kv client) error {
		_, err := kv.GetKeyStats(ctx, &keyvaluev1.GetKeyStatsRequest{})
		return err
	},
	contract.GetStats: func(ctx context.Context, kv client) error {
		_, err := kv.GetStats(ctx, &keyvaluev1.GetStatsRequest{})
		return err
	},
}

func TestEveryMethodIsLimitedByItsSize(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		acquire  func(*admission.Limiter, context.Context) error
		rejected map[contract.Size]bool
	}{
		{"nothing is in progress", func(*admission.Limiter, context.Context) error { return nil }, nil},
		{
			"a call is in progress", (*admission.Limiter).Acquire,
			map[contract.Size]bool{contract.OneEntry: true, contract.ManyEntries: true},
		},
		{"a watch is open", (*admission.Limiter).AcquireWatch, map[contract.Size]bool{contract.OpenEnded: true}},
	} {
		limiter := admission.New(admission.Config{Calls: 1, Watches: 1})
		server := rpc.NewServer(kvservice.New(newEngine(t), kvservice.Config{Limiter: limiter}), rpc.Config{
			Ready: func(context.Context) bool { return true }, Log: slog.New(slog.DiscardHandler),
		})
		kv := keyvaluev1connect.NewKeyValueServiceClient(connect.NewClient(rpc.InProcess(server)))
		if err := test.acquire(limiter, t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, m := range contract.Methods() {
			why := contract.ReasonOf(methods[m](t.Context(), kv))
			if got, want := why == contract.Overloaded, test.rejected[m.Size]; got != want {
				t.Errorf("while %s, %s fails with reason %q; want OVERLOADED: %t", test.name, m.Procedure, why, want)
			}
		}
	}
}

// An operation without a key is rejected because of the key, and not as unknown.
func TestABatchKnowsEveryOperationOfTheContract(t *testing.T) {
	t.Parallel()
	service := kvservice.New(newEngine(t), kvservice.Config{})
	fields := (&keyvaluev1.Operation{}).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		operation := &keyvaluev1.Operation{}
		operation.ProtoReflect().Mutable(fields.Get(i))
		res, err := service.Batch(t.Context(), &keyvaluev1.BatchRequest{Operations: []*keyvaluev1.Operation{operation}})
		if err != nil {
			t.Fatal(err)
		}
		if got := contract.Reason(res.GetResults()[0].GetError().GetReason()); got != contract.KeyInvalid {
			t.Errorf("%s without a key fails with reason %q, want KEY_INVALID", fields.Get(i).Name(), got)
		}
		checkKind(t, service, fields.Get(i))
	}
}

// checkKind checks that the result of an operation on a key that exists is of its kind.
func checkKind(t *testing.T, service *kvservice.Service, field protoreflect.FieldDescriptor) {
	t.Helper()
	if _, err := service.Set(t.Context(), text("k", "1")); err != nil {
		t.Fatal(err)
	}
	operation := &keyvaluev1.Operation{}
	request := operation.ProtoReflect().Mutable(field).Message()
	request.Set(field.Message().Fields().ByName("key"), protoreflect.ValueOfString("k"))
	if set := operation.GetSet(); set != nil {
		set.Content = &keyvaluev1.SetRequest_Value{Value: "2"}
	}
	res, err := service.Batch(t.Context(), &keyvaluev1.BatchRequest{Operations: []*keyvaluev1.Operation{operation}})
	if err != nil {
		t.Fatal(err)
	}
	if m, _ := contract.UnwrapResult(res.GetResults()[0]); m == nil || m.Name != string(field.Name()) {
		t.Errorf("%s has the result %v, want one of its kind", field.Name(), res.GetResults()[0])
	}
}
