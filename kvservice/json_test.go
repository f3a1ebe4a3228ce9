package kvservice_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"key-value/kvservice"
)

// A response in JSON says false and zero: to leave them out would be no answer.
func TestJSONSaysFalseAndZero(t *testing.T) {
	t.Parallel()
	url := serveEngine(t, newEngine(t), kvservice.Config{})
	for _, call := range []struct{ method, request, want string }{
		{"Increment", `{"key":"n"}`, `"value":"0"`},
		{"Set", `{"key":"n","value":"0"}`, `"created":false`},
		{"Delete", `{"key":"nope"}`, `"deleted":false`},
		{"DeleteRange", `{"prefix":"nope"}`, `"deleted":"0"`},
		{"GetStats", `{}`, `"durable":false`},
		{"GetStats", `{}`, `"misses":"0"`},
		{"Batch", `{"operations":[{"delete":{"key":"nope"}}]}`, `"deleted":false`},
		{"Batch", `{"operations":[{"increment":{"key":"n"}}]}`, `"value":"0"`},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/keyvalue.v1.KeyValueService/"+call.method, strings.NewReader(call.request))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if got := strings.ReplaceAll(string(body), " ", ""); err != nil || res.StatusCode != 200 || !strings.Contains(got, call.want) {
			t.Errorf("%s(%s) = %d %s, %v, want %s in it", call.method, call.request, res.StatusCode, body, err, call.want)
		}
	}
}
