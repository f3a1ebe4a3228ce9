package rest_test

import (
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"key-value/gateway/rest"
	keyvaluev1 "key-value/gen/keyvalue/v1"
)

// required lists the members that the body of an operation needs besides its key, :: operation → members.
var required = map[string]string{"increment": `,"delta":1`, "touch": `,"ttl":null`}

func TestABatchAcceptsEveryOperationOfTheContract(t *testing.T) {
	t.Parallel()
	fields := (&keyvaluev1.Operation{}).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		name := string(fields.Get(i).Name())
		body := `{"operations":[{"` + name + `":{"key":"k"` + required[name] + `}}]}`
		req, err := rest.DecodeBatch([]byte(body))
		if err != nil {
			t.Errorf("%s: %v", body, err)
			continue
		}
		if !req.GetOperations()[0].ProtoReflect().Has(fields.Get(i)) {
			t.Errorf("%s is decoded as %v", body, req)
		}
	}
}

// The JSON of a result has every field of the response, as in the JSON form of the RPC.
func TestABatchShowsEveryFieldOfAResult(t *testing.T) {
	t.Parallel()
	fields := (&keyvaluev1.OperationResult{}).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		if fields.Get(i).Name() == "error" {
			continue
		}
		result := &keyvaluev1.OperationResult{}
		response := result.ProtoReflect().Mutable(fields.Get(i)).Message()
		for j := range response.Descriptor().Fields().Len() {
			switch field := response.Descriptor().Fields().Get(j); field.Kind() {
			case protoreflect.BoolKind:
				response.Set(field, protoreflect.ValueOfBool(true))
			case protoreflect.Int64Kind:
				response.Set(field, protoreflect.ValueOfInt64(7))
			case protoreflect.MessageKind:
				response.Set(field, protoreflect.ValueOfMessage(newFake().entries["soon"].ProtoReflect()))
			default:
				t.Fatalf("this test has no value for %s, a %v", field.FullName(), field.Kind())
			}
		}
		text := rest.AppendResult(nil, result)
		got := &keyvaluev1.OperationResult{}
		if err := protojson.Unmarshal(text, got); err != nil || !proto.Equal(got, result) {
			t.Errorf("the result is encoded as %s (%v), want %v", text, err, result)
		}
	}
}
