package batching_test

import (
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
	"key-value/internal/hop/batching"
)

// A new string field in a request must also be checked.
func TestEveryStringOfARequestIsChecked(t *testing.T) {
	t.Parallel()
	operations := (&keyvaluev1.Operation{}).ProtoReflect().Descriptor().Fields()
	for i := range operations.Len() {
		for _, path := range stringFields(operations.Get(i).Message()) {
			operation := &keyvaluev1.Operation{}
			message := operation.ProtoReflect().Mutable(operations.Get(i)).Message()
			last := len(path) - 1
			for _, field := range path[:last] {
				message = message.Mutable(field).Message()
			}
			for text, want := range map[string]bool{"x": true, "\xff": false} {
				message.Set(path[last], protoreflect.ValueOfString(text))
				if _, request := contract.Unwrap(operation); batching.Encodable(request) != want {
					t.Errorf("with %s = %q, encodable = %t, want %t", path[last].FullName(), text, !want, want)
				}
			}
		}
	}
}

// stringFields returns the paths to all string fields of a message and of those in it.
func stringFields(message protoreflect.MessageDescriptor) (paths [][]protoreflect.FieldDescriptor) {
	for i := range message.Fields().Len() {
		switch field := message.Fields().Get(i); field.Kind() {
		case protoreflect.StringKind:
			paths = append(paths, []protoreflect.FieldDescriptor{field})
		case protoreflect.MessageKind:
			for _, rest := range stringFields(field.Message()) {
				paths = append(paths, append([]protoreflect.FieldDescriptor{field}, rest...))
			}
		}
	}
	return paths
}
