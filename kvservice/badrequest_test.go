package kvservice_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect/v2"
	"google.golang.org/protobuf/types/known/durationpb"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/contract"
	"key-value/internal/testkit/wiretest"
	"key-value/kvservice"
)

func TestBadRequestsChangeNothing(t *testing.T) {
	t.Parallel()
	ttl := func(d *durationpb.Duration) *keyvaluev1.SetRequest {
		req := text("a", "changed")
		req.Ttl = d
		return req
	}
	both := ttl(durationpb.New(time.Hour))
	both.KeepTtl = true
	overEveryWire(t, func(t *testing.T, kv client) {
		mustSet(t, kv, text("a", "kept"))
		for _, test := range []struct {
			name string
			req  *keyvaluev1.SetRequest
			want contract.Reason
		}{
			{"an empty key", text("", "x"), contract.KeyInvalid},
			{"a key of 1,025 bytes", text(strings.Repeat("k", 1025), "x"), contract.KeyInvalid},
			{"a zero byte in the key", text("a\x00", "x"), contract.KeyInvalid},
			{"a C1 control character in the key", text("a\u0085", "x"), contract.KeyInvalid},
			{"a dot segment", text("a/./b", "x"), contract.KeyInvalid},
			{"two dots at the end", text("a/..", "x"), contract.KeyInvalid},
			{"no content", &keyvaluev1.SetRequest{Key: "a"}, contract.ValueInvalid},
			{"a byte too many", text("a", strings.Repeat("x", contract.DefaultValueBytes+1)), contract.ValueTooLarge},
			{"a TTL of zero", ttl(durationpb.New(0)), contract.TTLInvalid},
			{"a negative TTL", ttl(durationpb.New(-time.Second)), contract.TTLInvalid},
			{"a TTL of over 10 years", ttl(durationpb.New(contract.MaxTTL + 1)), contract.TTLInvalid},
			{"a TTL to set and one to keep", both, contract.RequestInvalid},
			{"a TTL that overflows", ttl(&durationpb.Duration{Seconds: 315_576_000_000}), contract.TTLInvalid},
		} {
			t.Run(test.name, func(t *testing.T) {
				_, err := kv.Set(t.Context(), test.req)
				wantReason(t, "Set", err, test.want)
			})
		}
		if got := mustGet(t, kv, "a"); got.GetValue() != "kept" {
			t.Errorf("the entry is now %v, want it unchanged", got)
		}
	})
}

func TestKeysAtTheEdgeOfTheRules(t *testing.T) {
	t.Parallel()
	kv := wiretest.Wires()[0].Dial(t, serveEngine(t, newEngine(t), kvservice.Config{}))
	for _, key := range []string{strings.Repeat("k", 1024), "...", ".a", "a./b.", "a b", "/", "//", "é"} {
		mustSet(t, kv, text(key, key))
		if got := mustGet(t, kv, key); got.GetKey() != key || got.GetValue() != key {
			t.Errorf("stored %q, got %v", key, got)
		}
	}
}

func TestAMessageThatIsTooLargeIsRejected(t *testing.T) {
	t.Parallel()
	overEveryWire(t, func(t *testing.T, kv client) {
		_, err := kv.Set(t.Context(), text("a", strings.Repeat("x", contract.MaxRequestBytes(contract.DefaultValueBytes)+1)))
		if contract.ReasonOf(err) != contract.ValueTooLarge || connect.CodeOf(err) != connect.CodeResourceExhausted {
			t.Errorf("Set = %v with reason %q, want resource_exhausted with VALUE_TOO_LARGE", err, contract.ReasonOf(err))
		}
		_, inBatch := kv.Batch(t.Context(), &keyvaluev1.BatchRequest{Operations: []*keyvaluev1.Operation{
			contract.Set.Wrap(text("a", strings.Repeat("x", contract.MaxRequestBytes(contract.DefaultValueBytes)+1))),
		}})
		if contract.ReasonOf(inBatch) != contract.BatchTooLarge || connect.CodeOf(inBatch) != connect.CodeResourceExhausted {
			t.Errorf("Batch = %v with reason %q, want resource_exhausted with BATCH_TOO_LARGE", inBatch, contract.ReasonOf(inBatch))
		}
		bound := fmt.Sprintf("the message exceeds %d bytes", contract.MaxRequestBytes(contract.DefaultValueBytes))
		for _, err := range []error{err, inBatch} {
			if !strings.Contains(fmt.Sprint(err), bound) {
				t.Errorf("a long message is refused with %v, want %q", err, bound)
			}
		}
	})
}

func TestBrokenJSONIsExplained(t *testing.T) {
	t.Parallel()
	url := serveEngine(t, newEngine(t), kvservice.Config{})
	kv := wiretest.Wires()[0].Dial(t, url)
	mustSet(t, kv, text("a", "old"))
	const position = "(line 1:"
	for name, test := range map[string]struct{ body, want string }{
		"broken":                    {`{"key": "a" "value": "new"}`, position},
		"an unknown field":          {`{"key": "a", "value": "new", "x": 1}`, position},
		"a precondition misspelled": {`{"key": "a", "value": "new", "preconditions": {"exists": false}}`, position},
		"a misspelled member of it": {`{"key": "a", "value": "new", "precondition": {"exist": false}}`, position},
		"a wrong type":              {`{"key": 1, "value": "new"}`, position},
		"a duplicate member":        {`{"key": "a", "value": "new", "key": "a"}`, position},
		"invalid UTF-8":             {"{\"key\": \"a\", \"value\": \"\xff\"}", position},
		"trailing garbage":          {`{"key": "a", "value": "new"} x`, position},
		"a number as TTL":           {`{"key": "a", "value": "new", "ttl": 60}`, `field /ttl: unexpected number 60: want a string with a unit, such as \"60s\"`},
		"a TTL in minutes":          {`{"key": "a", "value": "new", "ttl": "5m"}`, `field /ttl: invalid duration \"5m\": want seconds, such as \"300s\"`},
		"a byte-order mark":         {"\xef\xbb\xbf" + `{"key": "a", "value": "new"}`, "the text begins with a byte-order mark"},
	} {
		t.Run(name, func(t *testing.T) {
			res, err := http.Post(url+keyvaluev1connect.KeyValueServiceSetProcedure, "application/json", strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			answer, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != http.StatusBadRequest {
				t.Errorf("%s, %s, %v; want 400", res.Status, answer, err)
			}
			for _, want := range []string{"invalid_argument", "REQUEST_INVALID", test.want} {
				if !strings.Contains(string(answer), want) {
					t.Errorf("the response is %s, want %q in it", answer, want)
				}
			}
		})
	}
	if got := mustGet(t, kv, "a").GetValue(); got != "old" {
		t.Errorf("afterwards the value is %q, want it unchanged", got)
	}
}
