package rest_test

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"key-value/gateway/rest"
	keyvaluev1 "key-value/gen/keyvalue/v1"
)

const postBatch = "POST /v1/values:batch"

func TestBatch(t *testing.T) {
	t.Parallel()
	const hello = `{"key":"hello","value":"world","etag":"<etag>","revision":"<revision>","updateTime":"<time>"}`
	rows := []struct{ name, operation, result string }{
		{"get", `{"get":{"key":"hello"}}`, `{"get":{"entry":` + hello + `}}`},
		{
			"get of bytes", `{"get":{"key":"bin"}}`,
			`{"get":{"entry":{"key":"bin","data":"/wA=","etag":"<etag>","revision":"<revision>","updateTime":"<time>"}}}`,
		},
		{
			"set of a new key", `{"set":{"key":"new","value":"v"}}`,
			`{"set":{"entry":{"key":"new","etag":"<etag>","revision":"<revision>","updateTime":"<time>"},"created":true}}`,
		},
		{
			"set of bytes with a TTL", `{"set":{"key":"hello","data":"/wA=","ttl":"5m"}}`,
			`{"set":{"entry":{"key":"hello","etag":"<etag>","revision":"<revision>","updateTime":"<time>","expireTime":"<time>","ttl":"<ttl>"},"created":false}}`,
		},
		{"delete", `{"delete":{"key":"hello"}}`, `{"delete":{"deleted":true,"revision":"<revision>"}}`},
		{"delete of a missing key", `{"delete":{"key":"nope"}}`, `{"delete":{"deleted":false}}`},
		{
			"touch", `{"touch":{"key":"hello","ttl":"5m"}}`,
			`{"touch":{"entry":{"key":"hello","etag":"<etag>","revision":"<revision>","updateTime":"<time>","expireTime":"<time>","ttl":"<ttl>"}}}`,
		},
		{
			"touch that removes the TTL", `{"touch":{"key":"soon","ttl":null}}`,
			`{"touch":{"entry":{"key":"soon","etag":"<etag>","revision":"<revision>","updateTime":"<time>"}}}`,
		},
		{
			"increment", `{"increment":{"key":"n","delta":1}}`,
			`{"increment":{"value":"42","entry":{"key":"n","etag":"<etag>","revision":"<revision>","updateTime":"<time>"}}}`,
		},
		{
			"increment of a new key", `{"increment":{"key":"new","delta":"1","initial":"5","ttl":"1m"}}`,
			`{"increment":{"value":"6","entry":{"key":"new","etag":"<etag>","revision":"<revision>","updateTime":"<time>","expireTime":"<time>","ttl":"<ttl>"}}}`,
		},
		{
			"a precondition that holds", `{"set":{"key":"new","value":"v","precondition":{"exists":false}}}`,
			`{"set":{"entry":{"key":"new","etag":"<etag>","revision":"<revision>","updateTime":"<time>"},"created":true}}`,
		},
		{"a member that is null is absent", `{"get":{"key":"hello"},"set":null}`, `{"get":{"entry":` + hello + `}}`},
	}
	var exchanges []exchange
	for _, row := range rows {
		for _, atomic := range []string{"", `,"atomic":false`, `,"atomic":true`} {
			exchanges = append(exchanges, exchange{
				name: row.name + atomic, request: postBatch, header: []string{"Content-Type: application/json"},
				body:   `{"operations":[` + row.operation + `]` + atomic + `}`,
				status: 200, answer: `{"results":[` + row.result + "]}\n",
			})
		}
	}
	runReal(t, exchanges)
}

// An operation that the service rejects fails by itself, or fails an atomic batch.
func TestBatchWithAFailure(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name, operation, code, reason string
		status                        int
	}{
		{"a missing key", `{"get":{"key":"nope"}}`, "not_found", "KEY_NOT_FOUND", 404},
		{"touch of a missing key", `{"touch":{"key":"nope","ttl":"1s"}}`, "not_found", "KEY_NOT_FOUND", 404},
		{"another version", `{"set":{"key":"hello","value":"v","precondition":{"etag":"x"}}}`, "aborted", "ETAG_MISMATCH", 412},
		{"a key that exists", `{"set":{"key":"hello","value":"v","precondition":{"exists":false}}}`, "already_exists", "KEY_EXISTS", 412},
		{"a key that does not exist", `{"delete":{"key":"nope","precondition":{"exists":true}}}`, "aborted", "KEY_ABSENT", 412},
		{"an etag in quotes", `{"delete":{"key":"hello","precondition":{"etag":"\"x\""}}}`, "invalid_argument", "REQUEST_INVALID", 400},
		{"an empty precondition", `{"delete":{"key":"hello","precondition":{}}}`, "invalid_argument", "REQUEST_INVALID", 400},
		{"an empty key", `{"get":{}}`, "invalid_argument", "KEY_INVALID", 400},
		{"no content", `{"set":{"key":"hello"}}`, "invalid_argument", "VALUE_INVALID", 400},
		{"a TTL that is too short", `{"set":{"key":"hello","value":"v","ttl":"-1s"}}`, "invalid_argument", "TTL_INVALID", 400},
		{"not an integer", `{"increment":{"key":"hello","delta":1}}`, "failed_precondition", "NOT_AN_INTEGER", 409},
		{"an overflow", `{"increment":{"key":"max","delta":1}}`, "failed_precondition", "INTEGER_OVERFLOW", 409},
		{"an empty operation", `{}`, "invalid_argument", "REQUEST_INVALID", 400},
		{"null", `null`, "invalid_argument", "REQUEST_INVALID", 400},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			operations := `{"operations":[{"set":{"key":"first","value":"v"}},` + row.operation + `,{"get":{"key":"n"}}]`
			addr := startReal(t)
			plain := send(t, addr, exchange{request: postBatch, body: operations + "}"})
			want := `},{"error":{"code":"` + row.code + `","reason":"` + row.reason + `","message":"`
			if plain.StatusCode != 200 || !strings.Contains(plain.text, want) || !strings.Contains(plain.text, `"value":"41"`) {
				t.Errorf("the batch = %d %s, want 200 with %s and the others' results", plain.StatusCode, plain.text, want)
			}
			addr = startReal(t)
			e := exchange{
				request: postBatch, body: operations + `,"atomic":true}`,
				status: row.status, reason: row.reason, detail: "Operation 1: ",
			}
			atomic := send(t, addr, e)
			e.check(t, atomic)
			if p := parseProblem(t, atomic.text); p.Metadata["operation"] != "1" {
				t.Errorf("the atomic batch returns %s, want the operation in metadata", atomic.text)
			}
			if got := send(t, addr, exchange{request: "GET /v1/values/first"}); got.StatusCode != 404 {
				t.Errorf("GET of the key that the failed atomic batch sets = %d, want 404", got.StatusCode)
			}
		})
	}
}

// A malformed body rejects the whole batch, atomic or not.
func TestBatchThatCannotBeRead(t *testing.T) {
	t.Parallel()
	rows := []struct{ name, operations, reason, detail string }{
		{"no operations", `[]`, "REQUEST_INVALID", "at least one"},
		{"null for operations", `null`, "REQUEST_INVALID", "at least one"},
		{"an object for operations", `{}`, "REQUEST_INVALID", "field /operations: unexpected object"},
		{"an operation that is a string", `["get"]`, "REQUEST_INVALID", "field /operations/0: unexpected string"},
		{"an unknown operation", `[{"put":{}}]`, "REQUEST_INVALID", "field /operations/0/put: unknown"},
		{"an unknown member", `[{"get":{"key":"a","x":1}}]`, "REQUEST_INVALID", "field /operations/0/get/x: unknown"},
		{"a member twice", `[{"get":{"key":"a"}},{"get":{"key":"a","key":"b"}}]`, "REQUEST_INVALID", "/operations/1/get/key: duplicate"},
		{"two operations in one", `[{"get":{"key":"a"},"delete":{"key":"a"}}]`, "REQUEST_INVALID", "Operation 0: an operation must set exactly one of get, set, delete, touch, increment; got 2"},
		{"value and data", `[{"set":{"key":"a","value":"v","data":"dg=="}}]`, "REQUEST_INVALID", "Operation 0: both value and data"},
		{"an invalid TTL", `[{"get":{"key":"a"}},{"set":{"key":"a","value":"v","ttl":"x"}}]`, "TTL_INVALID", `Operation 1: invalid ttl "x"`},
		{"touch without ttl", `[{"touch":{"key":"a"}}]`, "REQUEST_INVALID", "Operation 0: missing ttl"},
		{"touch with an invalid TTL", `[{"touch":{"key":"a","ttl":"1d"}}]`, "TTL_INVALID", `"1d"`},
		{"increment without delta", `[{"increment":{"key":"a"}}]`, "REQUEST_INVALID", "Operation 0: missing delta"},
		{"a number as TTL", `[{"increment":{"key":"a","delta":1,"ttl":60}}]`, "REQUEST_INVALID", `field /operations/0/increment/ttl: unexpected number 60: want a string with a unit, such as "60s"`},
		{"a fraction as delta", `[{"increment":{"key":"a","delta":1.5}}]`, "REQUEST_INVALID", "field /operations/0/increment/delta"},
		{
			"two preconditions", `[{"delete":{"key":"a","precondition":{"etag":"x","exists":true}}}]`,
			"REQUEST_INVALID", "Operation 0: a precondition must set exactly one of",
		},
		{"truncated", `[{"get":{"key":"a"}},`, "REQUEST_INVALID", "field /operations: unexpected EOF"},
		{"truncated early", `[`, "REQUEST_INVALID", "byte 15"},
	}
	var exchanges []exchange
	for _, row := range rows {
		for _, atomic := range []string{"", `,"atomic":true`} {
			e := exchange{
				name: row.name + atomic, request: postBatch, body: `{"operations":` + row.operations + atomic + `}`,
				status: 400, reason: row.reason, detail: row.detail,
			}
			if strings.HasPrefix(row.name, "truncated") {
				e.body = `{"operations":` + row.operations
			}
			exchanges = append(exchanges, e)
		}
	}
	runReal(t, append(exchanges,
		exchange{
			name: "a condition in a header is not ignored", request: postBatch, header: []string{"If-None-Match: *"},
			body: `{"operations":[{"set":{"key":"a","value":"v"}}]}`, status: 400, reason: "REQUEST_INVALID", detail: "precondition",
		},
		exchange{
			name: "text is not a batch", request: postBatch, header: []string{"Content-Type: text/plain"}, body: "get a",
			status: 415, reason: "MEDIA_TYPE_UNSUPPORTED", detail: "application/json",
		},
	))
}

func TestBatchSize(t *testing.T) {
	t.Parallel()
	batch := func(n int) string {
		return `{"operations":[` + strings.TrimSuffix(strings.Repeat(`{"get":{"key":"a"}},`, n), ",") + `]}`
	}
	runReal(t, []exchange{
		{name: "the most operations", request: postBatch, body: batch(1000), status: 200},
		{
			name: "one operation more", request: postBatch, body: batch(1001),
			status: 413, reason: "BATCH_TOO_LARGE", detail: "1000",
		},
		{
			name: "the body after that operation is not read", request: postBatch, body: strings.TrimSuffix(batch(1001), "]}") + "!",
			status: 413, reason: "BATCH_TOO_LARGE",
		},
		{
			name: "a body that is too long", request: postBatch, body: strings.Repeat(" ", 100_000),
			status: 413, reason: "BATCH_TOO_LARGE", detail: "bytes",
		},
	})
}

// The content that the gets of one batch return is bounded.
func TestBatchResponseSize(t *testing.T) {
	t.Parallel()
	kv := newService(t)
	if _, err := kv.Set(t.Context(), valueOf("big", strings.Repeat("x", 1<<20))); err != nil {
		t.Fatal(err)
	}
	operations := strings.Repeat(`{"get":{"key":"big"}},`, 9) + `{"get":{"key":"hello"}}`
	got := send(t, start(t, kv, rest.Config{}), exchange{request: postBatch, body: fmt.Sprintf(`{"operations":[%s]}`, operations)})
	if n := strings.Count(got.text, `"reason":"BATCH_TOO_LARGE"`); got.StatusCode != 200 || n < 1 || n > 2 {
		t.Errorf("a batch of 9 MiB = %d with %d errors, want 200 with one for the last operation", got.StatusCode, n)
	}
}

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
			case protoreflect.Uint64Kind:
				response.Set(field, protoreflect.ValueOfUint64(1<<64-1))
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
