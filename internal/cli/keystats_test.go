package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/observe/requestid"
	"key-value/internal/testkit/wiretest"
)

// hotKey is read and written over every wire.
const hotKey = "private/hot"

// useKey reads and writes hotKey over every wire, with request ids, and returns how often it was read.
func useKey(t *testing.T, url string) (reads int) {
	t.Helper()
	for _, wire := range wiretest.Wires() {
		kv := wire.Dial(t, url, "x-api-key", "secret", "x-request-id", "id-"+strings.ReplaceAll(wire.Name, " ", "-"))
		set := &keyvaluev1.SetRequest{Key: hotKey, Content: &keyvaluev1.SetRequest_Value{Value: "1"}}
		if _, err := kv.Set(t.Context(), set); err != nil {
			t.Fatal(err)
		}
		get := &keyvaluev1.GetRequest{Key: hotKey}
		if _, err := kv.Get(t.Context(), get); err != nil {
			t.Fatal(err)
		}
		batch := &keyvaluev1.BatchRequest{Operations: []*keyvaluev1.Operation{{Operation: &keyvaluev1.Operation_Get{Get: get}}}}
		if _, err := kv.Batch(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		reads += 2
	}
	for range 10 { // plain HTTP/1.1
		if status, body := fetch(t, url+"/v1/values/"+hotKey); status != http.StatusOK {
			t.Fatalf("reading = %d %s", status, body)
		}
		reads++
	}
	return reads
}

// keysBody is as much of the JSON of key statistics as the tests need.
type keysBody struct {
	Enabled bool
	Reads   struct {
		Keys []struct {
			Key       string
			PerSecond float64
			Share     float64
		}
	}
	SlowCalls []struct{ Method, Key, Code, RequestID string }
}

func TestKeyStatsSeeEveryWire(t *testing.T) {
	t.Parallel()
	both := startObserved(t, map[string]string{"KV_API_KEY": "secret"}, "serve")
	gateway, service := startObservedPair(t)
	for _, running := range []struct{ name, url, admin string }{
		{"one process", both.url, both.admin}, {"two processes", gateway.url, service.admin},
	} {
		reads := useKey(t, running.url)
		var overREST, toOperators keysBody
		for url, body := range map[string]*keysBody{running.url + "/v1/stats/keys?limit=100": &overREST, running.admin + "/debug/keys?limit=100": &toOperators} {
			status, text := fetch(t, url)
			if err := json.Unmarshal([]byte(text), body); err != nil || status != http.StatusOK {
				t.Fatalf("%s: %s = %d %s: %v", running.name, url, status, text, err)
			}
			if !body.Enabled || len(body.Reads.Keys) != 1 || body.Reads.Keys[0].Key != hotKey || body.Reads.Keys[0].Share != 1 {
				t.Errorf("%s: %s = %s, want the reads of %s", running.name, url, text, hotKey)
			}
		}
		for _, wire := range wiretest.Wires() {
			got, err := wire.Dial(t, running.url, "x-api-key", "secret").GetKeyStats(t.Context(), &keyvaluev1.GetKeyStatsRequest{Limit: 100})
			if err != nil {
				t.Fatal(err)
			}
			window := got.GetWindow().AsDuration().Seconds()
			if n := got.GetReads().GetPerSecond() * window; n < 1 || n > float64(reads)+.01 || got.GetSampledEvery() != 1 {
				t.Errorf("%s: %s reports %.1f reads in %.1f s, want %d, or fewer if that was long ago", running.name, wire.Name, n, window, reads)
			}
			if writes := got.GetWrites().GetKeys(); len(writes) != 1 || writes[0].GetKey() != hotKey {
				t.Errorf("%s: %s reports the writes of %v, want %s", running.name, wire.Name, writes, hotKey)
			}
			id := "id-" + strings.ReplaceAll(wire.Name, " ", "-")
			if !slices.ContainsFunc(got.GetSlowCalls(), func(c *keyvaluev1.SlowCall) bool {
				return c.GetRequestId() == id && c.GetKey() == hotKey && c.GetCode() == "ok" && c.GetMethod() == "Set"
			}) {
				t.Errorf("%s: the slow calls are %v, want the Set of %s", running.name, got.GetSlowCalls(), id)
			}
		}
		_, scraped := fetch(t, running.admin+"/metrics")
		for _, name := range []string{
			"kv_hottest_key_reads_ratio", "kv_hottest_key_reads_per_second", "kv_hottest_key_writes_ratio", "kv_hottest_key_writes_per_second",
		} {
			if !strings.Contains(scraped, "\n"+name+" ") || strings.Contains(scraped, hotKey) {
				t.Errorf("%s: the metrics lack %s, or have a key", running.name, name)
			}
		}
		for limit, want := range map[string]string{"x": `invalid limit "x": `, "-1": `invalid limit -1: `} {
			if status, body := fetch(t, running.admin+"/debug/keys?limit="+limit); status != http.StatusBadRequest || !strings.HasPrefix(body, want) {
				t.Errorf("%s: GET /debug/keys?limit=%s = %d %s, want 400", running.name, limit, status, body)
			}
		}
	}
	if status, _ := fetch(t, gateway.admin+"/debug/keys"); status != http.StatusNotFound {
		t.Errorf("GET /debug/keys of a gateway = %d, want 404", status)
	}
}

// The id of a response leads to its call, also if the caller did not choose it.
func TestASlowCallHasTheIDOfItsResponse(t *testing.T) {
	t.Parallel()
	gateway, service := startObservedPair(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, gateway.url+"/v1/values/missing", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", "secret")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	_, text := fetch(t, service.admin+"/debug/keys")
	if id := res.Header.Get(requestid.Header); id == "" || !strings.Contains(text, fmt.Sprintf(`"key":"missing","operations":1,"code":"not_found","requestId":%q`, id)) {
		t.Errorf("the response has the id %q, and the slow calls are in %s", id, text)
	}
}

func TestKeyStatsCanBeTurnedOff(t *testing.T) {
	t.Parallel()
	off := startObserved(t, map[string]string{"KV_API_KEY": "secret", "KV_KEY_STATS": "false"}, "serve")
	useKey(t, off.url)
	for _, url := range []string{off.url + "/v1/stats/keys", off.admin + "/debug/keys"} {
		if status, text := fetch(t, url); status != http.StatusOK || !strings.HasPrefix(text, `{"enabled":false,`) || strings.Contains(text, hotKey) {
			t.Errorf("%s = %d %s, want only that they are off", url, status, text)
		}
	}
	if _, scraped := fetch(t, off.admin+"/metrics"); strings.Contains(scraped, "kv_hottest") {
		t.Error("the metrics have a hottest key, which is not known")
	}
}
