package gateway_test

import (
	"net/http"
	"strings"
	"testing"
)

// Every way to set a value can keep the TTL that the entry has.
func TestASetMayKeepTheTTLOverREST(t *testing.T) {
	t.Parallel()
	const put, post = http.MethodPut, http.MethodPost
	js, text := []string{"Content-Type", "application/json"}, []string{"Content-Type", "text/plain"}
	for _, arrangement := range arrangements {
		t.Run(arrangement.name, func(t *testing.T) {
			t.Parallel()
			url := start(t, arrangement.transport(t, newEngine(t)))
			for _, way := range []struct {
				name, method, path, body string
				header                   []string
			}{
				{"a raw body", put, "/v1/values/KEY?ttl=keep", "2", text},
				{"JSON, in the query", put, "/v1/values/KEY?ttl=keep", `{"value":"2"}`, js},
				{"JSON, in the body", put, "/v1/values/KEY", `{"value":"2","ttl":"keep"}`, js},
				{"the first route, in the query", put, "/v1/values?ttl=keep", `{"key":"KEY","value":"2"}`, js},
				{"the first route, in the body", put, "/v1/values", `{"key":"KEY","value":"2","ttl":"keep"}`, js},
				{"a batch", post, "/v1/values:batch", `{"operations":[{"set":{"key":"KEY","value":"2","ttl":"keep"}}]}`, js},
				{"an atomic batch", post, "/v1/values:batch", `{"operations":[{"set":{"key":"KEY","value":"2","ttl":"keep"}}],"atomic":true}`, js},
			} {
				to := func(key string) answer {
					return ask(t, way.method, url+strings.ReplaceAll(way.path, "KEY", key), strings.ReplaceAll(way.body, "KEY", key), way.header...)
				}
				if got := ask(t, put, url+"/v1/values/there?ttl=1h", "1", text...); got.status >= 300 {
					t.Fatalf("PUT: %d %s", got.status, got.body)
				}
				if got := to("there"); got.status != 200 || !strings.Contains(got.body, `"ttl":"3`) {
					t.Errorf("%s of an entry with a TTL: %d %s, want the TTL in the answer", way.name, got.status, got.body)
				}
				if got := ask(t, http.MethodGet, url+"/v1/values/there", ""); got.field("value") != "2" || !strings.HasPrefix(got.field("ttl"), "3") {
					t.Errorf("%s of an entry with a TTL left %s, want the value 2 and what is left of an hour", way.name, got.body)
				}
				ask(t, http.MethodDelete, url+"/v1/values/new", "")
				if got := to("new"); got.status >= 300 || strings.Contains(got.body, "ttl") || strings.Contains(got.body, "expireTime") {
					t.Errorf("%s of a new key: %d %s, want an entry that never expires", way.name, got.status, got.body)
				}
			}
		})
	}
}

func TestOnlyASetCanKeepTheTTL(t *testing.T) {
	t.Parallel()
	url := start(t, arrangements[0].transport(t, newEngine(t)))
	ask(t, http.MethodPut, url+"/v1/values/a?ttl=1h", "1", "Content-Type", "text/plain")
	for _, wrong := range []struct{ method, path, body, reason string }{
		{http.MethodPatch, "/v1/values/a", `{"ttl":"keep"}`, "TTL_INVALID"},
		{http.MethodPost, "/v1/values:increment", `{"key":"a","delta":1,"ttl":"keep"}`, "TTL_INVALID"},
		{http.MethodPut, "/v1/values/a?ttl=Keep", `{"value":"2"}`, "TTL_INVALID"},
		{http.MethodPut, "/v1/values/a?ttl=keep", `{"value":"2","ttl":"1h"}`, "REQUEST_INVALID"},
		{http.MethodPut, "/v1/values?ttl=keep", `{"key":"a","value":"2","ttl":"keep"}`, "REQUEST_INVALID"},
	} {
		got := ask(t, wrong.method, url+wrong.path, wrong.body, "Content-Type", "application/json")
		if got.status != 400 || got.field("reason") != wrong.reason {
			t.Errorf("%s %s with %s: %d %s, want 400 %s", wrong.method, wrong.path, wrong.body, got.status, got.body, wrong.reason)
		}
	}
	if got := ask(t, http.MethodGet, url+"/v1/values/a", ""); got.field("value") != "1" || got.field("ttl") == "" {
		t.Errorf("afterwards the entry is %s, want it unchanged", got.body)
	}
}
