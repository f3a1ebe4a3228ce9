package rest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"key-value/gateway/rest"
	"key-value/internal/contract"
)

func FuzzKeyPath(f *testing.F) {
	for _, key := range []string{"", "a/b", "a//b/", "%2F", "..", "a b+c?d#e", "é", "\x00", "\xff", ":", "*"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		path := rest.KeyPath(key)
		parsed, err := url.ParseRequestURI(path)
		if err != nil || parsed.EscapedPath() != path {
			t.Fatalf("KeyPath(%q) = %q, which parses as %v, %v", key, path, parsed, err)
		}
		got, err := rest.DecodeKey(strings.TrimPrefix(path, rest.KeyPrefix))
		if utf8.ValidString(key) != (err == nil) || err == nil && got != key {
			t.Errorf("DecodeKey(KeyPath(%q)) = %q, %v", key, got, err)
		}
	})
}

func FuzzDecodeKey(f *testing.F) {
	for _, escaped := range []string{"a", "%", "%2", "%zz", "%2F", "%FF", "%2541", "%C3%A9", "a//b", "%00"} {
		f.Add(escaped)
	}
	f.Fuzz(func(t *testing.T, escaped string) {
		key, err := rest.DecodeKey(escaped)
		if err != nil {
			wantReason(t, err, contract.KeyInvalid)
		} else if !utf8.ValidString(key) || len(key) > len(escaped) {
			t.Errorf("DecodeKey(%q) = %q, want UTF-8 that is not longer", escaped, key)
		}
	})
}

func FuzzAccept(f *testing.F) {
	for _, header := range []string{
		"", "*/*", "text/plain;q=0.5, */*;q=0.1", `a/b;x="c,d\"", text/*`, "text/plain;q=1.001", "*/json", ";", `"`, `"\`,
	} {
		f.Add(header, true)
		f.Add(header, false)
	}
	f.Fuzz(func(t *testing.T, header string, text bool) {
		media, err := rest.Negotiate([]string{header}, text)
		if err != nil {
			wantReason(t, err, "NOT_ACCEPTABLE")
		} else if !text && media == "text/plain" {
			t.Errorf("Negotiate(%q) of bytes = %s", header, media)
		}
	})
}

// Every accepted body is JSON for encoding/json too, with the same meaning.
func FuzzDecodeEntry(f *testing.F) {
	for _, body := range []string{
		`{"key":"k","value":"v"}`, `{"key":"k","data":"dg==","ttl":"5m"}`, `{"value":"\ud800"}`, `{"a":1}`, `{`, `[]`, `null`,
		`{"key":"k","key":"l"}`, "{\"key\":\"\xff\"}", `{"key":"k"} x`, `{"value":"v","key":"k"}`, `{"key":"k","value":"a","value":"b"}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		key, value, _, err := rest.DecodeEntry(body)
		if err != nil {
			wantReason(t, err, contract.RequestInvalid)
			return
		}
		var other struct{ Key, Value *string }
		if err := json.Unmarshal(body, &other); err != nil {
			t.Fatalf("DecodeEntry accepts %q, which is not JSON: %v", body, err)
		}
		if other.Key != nil && *other.Key != key || value != nil && *other.Value != *value {
			t.Errorf("DecodeEntry(%q) = %q, %v, want %v", body, key, value, other)
		}
	})
}

func FuzzTTL(f *testing.F) {
	for _, s := range []string{
		"90s", "1h30m", "-1ns", "0", "", "1d", "9999999999h", "2562047h47m16.854775807s", "1e9s", ".5s", "µs",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ttl, err := rest.ParseTTL(s, contract.MaxTTL)
		if err != nil {
			wantReason(t, err, contract.TTLInvalid)
			return
		}
		if want, err := time.ParseDuration(s); err != nil || ttl.AsDuration() != want || !ttl.IsValid() {
			t.Errorf("ParseTTL(%q) = %v, want %v, %v", s, ttl, want, err)
		}
	})
}

func wantReason(t *testing.T, err error, want ...contract.Reason) {
	t.Helper()
	if got := contract.ReasonOf(err); !slices.Contains(want, got) {
		t.Errorf("the error has reason %q (%v), want %q", got, err, want)
	}
}

// A preference is applied or ignored; it never fails a request.
func FuzzPrefer(f *testing.F) {
	for _, header := range []string{
		"", "wait=30", "wait=99999999999999999999", "respond-async, WAIT = 5", `wait="10"; x="a,b"`, "wait=1, wait=2", "wait", "wait=",
		`foo="wait=5", wait=7`, "wait=-1", "wait=1.5", `wait="`, ";;,=", "wait=5;wait=6",
	} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		wait := rest.PreferredWait(http.Header{"Prefer": {header}})
		if wait < 0 || wait > 45*time.Second || wait%time.Second != 0 {
			t.Errorf("Prefer: %q waits %v, want whole seconds up to 45", header, wait)
		}
		if wait != 0 && !strings.Contains(strings.ToLower(header), "wait") {
			t.Errorf("Prefer: %q waits %v, though it does not say so", header, wait)
		}
	})
}

// Every accepted body is JSON for encoding/json too, and its request can be marshaled.
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

// The response to arbitrary tokens is valid.
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
			return // opens a watch, which does not end
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
