package gateway_test

import (
	"net/http"
	"net/url"
	"testing"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
	"key-value/internal/testkit/wiretest"
)

// A get that allows a missing key, by itself and in an atomic batch with one that does not.
func TestAGetMayAllowAMissingKey(t *testing.T) {
	t.Parallel()
	nope := &keyvaluev1.GetRequest{Key: "nope", AllowMissing: true}
	there := &keyvaluev1.GetRequest{Key: "there", AllowMissing: true}
	eachArrangement(t, func(t *testing.T, base string, counted *reads) {
		ask(t, http.MethodPut, base+"/v1/values/there", "1", "Content-Type", "text/plain")
		for _, wire := range wiretest.Wires() {
			kv := wire.Dial(t, base, "x-api-key", apiKey)
			if res, err := kv.Get(t.Context(), nope); err != nil || res.GetEntry() != nil {
				t.Errorf("%s: Get(nope) = %v, %v, want no entry and no error", wire.Name, res, err)
			}
			if res, err := kv.Get(t.Context(), there); err != nil || res.GetEntry().GetValue() != "1" {
				t.Errorf("%s: Get(there) = %v, %v, want 1", wire.Name, res, err)
			}
			counted.want(t, wire.Name, 1, 1)
			batch := &keyvaluev1.BatchRequest{Atomic: true, Operations: []*keyvaluev1.Operation{contract.Get.Wrap(nope), contract.Get.Wrap(there)}}
			res, err := kv.Batch(t.Context(), batch)
			if err != nil || res.GetResults()[0].GetGet() == nil || res.GetResults()[0].GetGet().GetEntry() != nil ||
				res.GetResults()[1].GetGet().GetEntry().GetValue() != "1" {
				t.Errorf("%s: an atomic batch = %v, %v, want no entry for nope", wire.Name, res, err)
			}
			counted.want(t, wire.Name+", batch", 1, 1)
		}
		got := ask(t, http.MethodPost, base+"/v1/values:batch",
			`{"operations":[{"get":{"key":"nope","allowMissing":true}}],"atomic":true}`, "Content-Type", "application/json")
		if want := `{"results":[{"get":{}}]}` + "\n"; got.status != 200 || got.body != want {
			t.Errorf("a batch over REST: %d %s, want 200 %s", got.status, got.body, want)
		}
	})
}

// What is missing has no version, so a condition on one never makes it 304.
func TestAMissingKeyIsNeverNotModified(t *testing.T) {
	t.Parallel()
	base := start(t, arrangements[0].transport(t, newEngine(t)))
	query := url.Values{"connect": {"v1"}, "encoding": {"json"}, "message": {`{"key":"nope","allowMissing":true}`}}.Encode()
	for _, condition := range []string{"*", `""`, `W/""`} {
		got := ask(t, http.MethodGet, base+"/keyvalue.v1.KeyValueService/Get?"+query, "", "If-None-Match", condition)
		if got.status != 200 || got.header.Get("ETag") != "" || got.body != "{}" {
			t.Errorf("If-None-Match: %s: %d %s with ETag %q, want 200 {} without one", condition, got.status, got.body, got.header.Get("ETag"))
		}
	}
}
