package rest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"key-value/gateway/rest"
	"key-value/internal/contract"
)

// A preference is understood or ignored; it fails no request.
func FuzzPrefer(f *testing.F) {
	for _, header := range []string{
		"", "wait=30", "wait=99999999999999999999", "respond-async, WAIT = 5", `wait="10"; x="a,b"`, "wait=1, wait=2", "wait", "wait=",
		`foo="wait=5", wait=7`, "wait=-1", "wait=1.5", `wait="`, ";;,=", "wait=5;wait=6",
	} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		wait := rest.PreferredWait(http.Header{"Prefer": {header}})
		if wait < 0 || wait > time.Minute || wait%time.Second != 0 {
			t.Errorf("Prefer: %q waits %v, want whole seconds up to a minute", header, wait)
		}
		if wait != 0 && !strings.Contains(strings.ToLower(header), "wait") {
			t.Errorf("Prefer: %q waits %v, though it does not say so", header, wait)
		}
	})
}

// What is taken is JSON to others too, and can be passed on.
func FuzzDecodeBatch(f *testing.F) {
	for _, body := range []string{
		`{"operations":[{"get":{"key":"k"}}],"atomic":true}`, `{"operations":[{"set":{"key":"k","value":"v","ttl":"5m"}},{}]}`,
		`{"operations":[{"touch":{"key":"k","ttl":null}},{"delete":{"key":"k","precondition":{"etag":"x"}}}]}`,
		`{"operations":[{"increment":{"key":"k","delta":"-5","initial":7}}]}`, `{"operations":[null]}`, `{"operations":{}}`,
		`{"operations":[{"increment":{"key":"k","delta":1e400}}]}`, `{"operations":[`, `[]`, `null`, "",
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		req, err := rest.DecodeBatch(body)
		if err != nil {
			wantReason(t, err, contract.RequestInvalid, contract.TTLInvalid, contract.BatchTooLarge)
			return
		}
		var other struct{ Operations []any }
		if err := json.Unmarshal(body, &other); err != nil || len(other.Operations) != len(req.GetOperations()) {
			t.Fatalf("DecodeBatch(%q) = %d operations, want %d, %v", body, len(req.GetOperations()), len(other.Operations), err)
		}
		if _, err := proto.Marshal(req); err != nil {
			t.Errorf("DecodeBatch(%q) cannot be sent: %v", body, err)
		}
	})
}

// Whatever the tokens are, the service answers, and answers well.
func FuzzTokens(f *testing.F) {
	for _, token := range []string{"", "x", "1-1", "1-1-ab1c0c60", "AAAAAAAAaGVsbG8", "\x00", "\xff", "é", " ", "a\nb", strings.Repeat("z", 100)} {
		f.Add(token)
	}
	kv := newService(f)
	handler := rest.New(kv, rest.Config{})
	f.Fuzz(func(t *testing.T, token string) {
		page := httptest.NewRequest(http.MethodGet, "/v1/values?pageToken="+url.QueryEscape(token), nil)
		wantStatus(t, handler, page, http.StatusOK, http.StatusBadRequest)
		if token == "" {
			return // which is a watch that goes on for ever
		}
		watch := httptest.NewRequest(http.MethodGet, "/v1/values:watch?key=a&resumeToken="+url.QueryEscape(token), nil)
		wantStatus(t, handler, watch, http.StatusBadRequest, http.StatusGone)
		watch = httptest.NewRequest(http.MethodGet, "/v1/values:watch?key=a", nil)
		watch.Header.Set("Last-Event-ID", token)
		wantStatus(t, handler, watch, http.StatusBadRequest, http.StatusGone)
	})
}

func wantStatus(t *testing.T, handler http.Handler, r *http.Request, statuses ...int) {
	t.Helper()
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	for _, status := range statuses {
		if w.Code == status {
			return
		}
	}
	t.Errorf("%s = %d %s, want one of %v", r.URL, w.Code, w.Body, statuses)
}
