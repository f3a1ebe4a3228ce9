package messagejson_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract/messagejson"
)

func TestWhatCallersWriteInsteadIsExplained(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                    "empty text",
		`{"sett":{}}`:                         `unknown field "sett"`,
		`{"set":{"key":1}}`:                   `(line 1:15): invalid value for string field key: 1`,
		"\xef\xbb\xbf{}":                      "byte-order mark",
		"\xff\xfe{\x00}\x00":                  "UTF-16",
		"\xfe\xff\x00{\x00}":                  "UTF-16",
		`{"set":{"ttl":60}}`:                  `field /set/ttl: unexpected number 60: want a string with a unit, such as "60s"`,
		`{"set":{"ttl":1.5}}`:                 `unexpected number 1.5: want a string with a unit, such as "1.5s"`,
		`{"set":{"ttl":1e3}}`:                 `unexpected number 1e3: want a string with a unit, such as "1000s"`,
		`{"set":{"ttl":-1}}`:                  `unexpected number -1: want a string with a unit, such as "90s"`,
		`{"set":{"ttl":1e999}}`:               `such as "90s"`,
		`{"touch":{"ttl":"60"}}`:              `field /touch/ttl: invalid duration "60": want seconds, such as "60s"`,
		`{"increment":{"ttl":"1h30m"}}`:       `field /increment/ttl: invalid duration "1h30m": want seconds, such as "5400s"`,
		`{"set":{"ttl":"soon"}}`:              `invalid duration "soon": want seconds, such as "90s"`,
		`{"set":{"ttl":{}}}`:                  `line 1:15`,
		`{"set":{"ttl":60,"ttl":60}}`:         `line 1:15`, // the hint gives way to the other error
		`{"set":{"ttl":60}`:                   `line 1:15`,
		`{"set":{"ttl":"60s","key":"a"},"x"}`: `line 1:35`,
	} {
		err := messagejson.Unmarshal([]byte(text), &keyvaluev1.Operation{})
		if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), "\u00a0", " "), want) {
			t.Errorf("Unmarshal(%s) = %v, want %s", text, err, want)
		}
	}
	err := messagejson.Unmarshal([]byte(`{"operations":[{"get":{}},{"set":{"ttl":60}}]}`), &keyvaluev1.BatchRequest{})
	if want := "field /operations/1/set/ttl: "; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("Unmarshal of a batch = %v, want %s", err, want)
	}
}

func TestWhatProtobufAcceptsIsAccepted(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{}`, ` {"set":{"key":"a","value":"","ttl":"60s"}} `, `{"set":{"ttl":null}}`, `{"set":{"ttl":"-1.5s"}}`} {
		if err := messagejson.Unmarshal([]byte(text), &keyvaluev1.Operation{}); err != nil {
			t.Errorf("Unmarshal(%s) = %v", text, err)
		}
	}
}

// A method that is added must not be forgotten.
func TestEveryResponseWithANumberOrBoolSaysItsDefaults(t *testing.T) {
	t.Parallel()
	methods := keyvaluev1.File_keyvalue_v1_service_proto.Services().Get(0).Methods()
	for i := range methods.Len() {
		response := methods.Get(i).Output()
		says := messagejson.SaysDefaults(dynamicpb.NewMessage(response))
		for j := range response.Fields().Len() {
			switch field := response.Fields().Get(j); field.Kind() {
			case protoreflect.BoolKind, protoreflect.Int64Kind, protoreflect.Uint64Kind, protoreflect.Int32Kind, protoreflect.DoubleKind:
				if !says {
					t.Errorf("%s leaves out %s in JSON if it is false or zero", response.Name(), field.Name())
				}
			}
		}
	}
}
