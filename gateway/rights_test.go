package gateway_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect/v2"

	"key-value/gateway/rest"
	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/auth"
	"key-value/internal/contract"
	"key-value/internal/testkit/wiretest"
)

// need is the right that a call or a route needs.
type need struct {
	ops        auth.Ops // zero: any valid key may make it
	everywhere bool     // on all keys, not only the one it names
}

// needs has the rights that the methods of the contract need.
var needs = map[string]need{
	"Get": {ops: read}, "List": {ops: read}, "Watch": {ops: read}, "Batch": {ops: read},
	"Set": {ops: write}, "Delete": {ops: write}, "DeleteRange": {ops: write}, "Touch": {ops: write}, "Increment": {ops: read | write},
	"GetStats": {ops: read, everywhere: true}, "GetKeyStats": {ops: read | write, everywhere: true}, "GetCaller": {}, "CreateTicket": {ops: read},
}

// allowed reports whether the API key of ring with this id has the right n on key, which is "i", outside the prefix
// "in/", or "in/a", inside it.
func (n need) allowed(id, key string) bool {
	if n.ops == 0 {
		return true
	}
	switch id {
	case "reader":
		return n.ops == read
	case "writer":
		return n.ops == write
	case "inside":
		return !n.everywhere && strings.HasPrefix(key, "in/")
	}
	return false
}

// callers are the ids of the valid keys of ring.
var callers = []string{"reader", "writer", "inside", "idle"}

// counting counts the requests that the gateway sends.
type counting struct {
	connect.Transport
	sent *atomic.Int64
}

func (c counting) NewClientStream(ctx context.Context, spec connect.Spec) (connect.ClientStream, error) {
	stream, err := c.Transport.NewClientStream(ctx, spec)
	return countingStream{stream, c.sent}, err
}

type countingStream struct {
	connect.ClientStream
	sent *atomic.Int64
}

func (s countingStream) Send(message any) error {
	s.sent.Add(1)
	return s.ClientStream.Send(message)
}

// overRing runs test against a gateway with the keys of ring, in each arrangement.
func overRing(t *testing.T, test func(t *testing.T, k *keyring, url string, sent *atomic.Int64)) {
	for _, arrangement := range arrangements {
		t.Run(arrangement.name, func(t *testing.T) {
			t.Parallel()
			k, sent := ring(t), &atomic.Int64{}
			test(t, k, k.start(counting{arrangement.transport(t, newEngine(t)), sent}), sent)
		})
	}
}

func TestEveryMethodChecksItsRights(t *testing.T) {
	t.Parallel()
	overRing(t, func(t *testing.T, k *keyring, url string, sent *atomic.Int64) {
		for _, wire := range wiretest.Wires() {
			for name, call := range calls {
				n, ok := needs[name]
				if !ok {
					t.Fatalf("no test knows what %s needs: say so in needs", name)
				}
				for _, id := range invalid {
					before := sent.Load()
					if err := call(t.Context(), wire.Dial(t, url, k.header(id)...), "in/a"); contract.ReasonOf(err) != contract.APIKeyInvalid ||
						connect.CodeOf(err) != connect.CodeUnauthenticated || sent.Load() != before {
						t.Errorf("%s over %s with a key that is %s = %v, want API_KEY_INVALID and no request to the service", name, wire.Name, id, err)
					}
				}
				for _, id := range callers {
					kv := wire.Dial(t, url, k.header(id)...)
					for _, key := range []string{"i", "in/a"} {
						before := sent.Load()
						err := call(t.Context(), kv, key)
						denied := contract.ReasonOf(err) == contract.PermissionDenied && connect.CodeOf(err) == connect.CodePermissionDenied
						if allowed := n.allowed(id, key); denied == allowed || denied && sent.Load() != before {
							t.Errorf("%s of %s over %s as %s = %v, want it allowed: %v, and no request to the service if not", name, key, wire.Name, id, err, allowed)
						}
					}
				}
			}
		}
	})
}

// routeNeed is a request of a route. Its %s stands for the key.
type routeNeed struct {
	need

	target, body, contentType string
}

// routeNeeds has a request of every route that needs an API key.
var routeNeeds = map[string]routeNeed{
	"GET /v1/values/{key}":    {need{ops: read}, "/v1/values/%s", "", ""},
	"HEAD /v1/values/{key}":   {need{ops: read}, "/v1/values/%s", "", ""},
	"PUT /v1/values/{key}":    {need{ops: write}, "/v1/values/%s", "1", "text/plain"},
	"PATCH /v1/values/{key}":  {need{ops: write}, "/v1/values/%s", `{"ttl":"5m"}`, "application/json"},
	"DELETE /v1/values/{key}": {need{ops: write}, "/v1/values/%s", "", ""},
	"GET /v1/values":          {need{ops: read}, "/v1/values?prefix=%s", "", ""},
	"HEAD /v1/values":         {need{ops: read}, "/v1/values?prefix=%s", "", ""},
	"PUT /v1/values":          {need{ops: write}, "/v1/values", `{"key":"%s","value":"1"}`, "application/json"},
	"DELETE /v1/values":       {need{ops: write}, "/v1/values?prefix=%s", "", ""},
	"POST /v1/values:batch":   {need{ops: read}, "/v1/values:batch", `{"operations":[{"get":{"key":"%s"}}]}`, "application/json"},
	"POST /v1/values:increment": {
		need{ops: read | write}, "/v1/values:increment", `{"key":"%s","delta":1}`, "application/json",
	},
	// The token is too old, so that an allowed watch ends at once.
	"GET /v1/values:watch": {need{ops: read}, "/v1/values:watch?resumeToken=1-1-ab1c0c60&prefix=%s", "", ""},
	"POST /v1/tickets":     {need{ops: read}, "/v1/tickets", `{"prefix":"%s"}`, "application/json"},
	"GET /v1/stats":        {need{ops: read, everywhere: true}, "/v1/stats", "", ""},
	"HEAD /v1/stats":       {need{ops: read, everywhere: true}, "/v1/stats", "", ""},
	"GET /v1/stats/keys":   {need{ops: read | write, everywhere: true}, "/v1/stats/keys", "", ""},
	"HEAD /v1/stats/keys":  {need{ops: read | write, everywhere: true}, "/v1/stats/keys", "", ""},
	"GET /v1/caller":       {need{}, "/v1/caller", "", ""},
	"HEAD /v1/caller":      {need{}, "/v1/caller", "", ""},
}

func fill(format, key string) string { return strings.ReplaceAll(format, "%s", key) }

func TestEveryRouteChecksItsRights(t *testing.T) {
	t.Parallel()
	overRing(t, func(t *testing.T, k *keyring, url string, sent *atomic.Int64) {
		for _, route := range rest.Routes() {
			if route.Public() {
				continue
			}
			name := route.Method + " " + route.Path
			n, ok := routeNeeds[name]
			if !ok {
				t.Fatalf("no test knows what %s needs: say so in routeNeeds", name)
			}
			send := func(id, key string) answer {
				return askAs(t, route.Method, url+fill(n.target, key), fill(n.body, key), append(k.header(id), "Content-Type", n.contentType)...)
			}
			for _, id := range invalid {
				before := sent.Load()
				if got := send(id, "in/a"); got.status != http.StatusUnauthorized || sent.Load() != before {
					t.Errorf("%s with a key that is %s = %d, want 401 and no request to the service", name, id, got.status)
				}
			}
			for _, id := range callers {
				for _, key := range []string{"i", "in/a"} {
					before := sent.Load()
					got := send(id, key)
					denied := got.status == http.StatusForbidden && (route.Method == http.MethodHead || got.field("reason") == "PERMISSION_DENIED")
					if allowed := n.allowed(id, key); denied == allowed || denied && sent.Load() != before {
						t.Errorf("%s of %s as %s = %d %s, want it allowed: %v, and no request to the service if not", name, key, id, got.status, got.body, allowed)
					}
				}
			}
		}
	})
}

// The outcome of a condition must not reveal what the caller may not read.
func TestConditionsRevealNothing(t *testing.T) {
	t.Parallel()
	overRing(t, func(t *testing.T, k *keyring, url string, sent *atomic.Int64) {
		tag := ask(t, http.MethodPut, url+"/v1/values/secret", "x", "Content-Type", "text/plain").header.Get("ETag")
		before := sent.Load()
		for name, r := range map[string]struct {
			id, method string
			header     []string
		}{
			"a conditional read":                     {"inside", "GET", []string{"If-None-Match", tag}},
			"a read of any version":                  {"inside", "HEAD", []string{"If-None-Match", "*"}},
			"a long poll":                            {"inside", "GET", []string{"If-None-Match", tag, "Prefer", "wait=5"}},
			"a write of one of many":                 {"inside", "PUT", []string{"If-Match", `"a", "b"`}},
			"a write that may not read":              {"writer", "PUT", []string{"If-Match", `"a", ` + tag}},
			"a write under a date that may not read": {"writer", "PUT", []string{"If-Unmodified-Since", "Fri, 02 Jan 2099 03:04:05 GMT"}},
			"a write under a date as a reader":       {"reader", "DELETE", []string{"If-Unmodified-Since", "Fri, 02 Jan 1998 03:04:05 GMT"}},
			"a write as a reader":                    {"reader", "PUT", []string{"If-Match", `"a", "b"`}},
			"a delete as a reader":                   {"reader", "DELETE", []string{"If-None-Match", `"a", "b"`}},
		} {
			got := askAs(t, r.method, url+"/v1/values/secret", "", append(append(r.header, k.header(r.id)...), "Content-Type", "text/plain")...)
			if got.status != http.StatusForbidden || got.header.Get("ETag") != "" {
				t.Errorf("%s = %d %v, want 403 and no ETag", name, got.status, got.header)
			}
		}
		path := `/keyvalue.v1.KeyValueService/Get?connect=v1&encoding=json&message=%7B%22key%22:%22secret%22%7D`
		for _, id := range []string{"inside", "revoked"} {
			got := askAs(t, http.MethodGet, url+path, "", append(k.header(id), "If-None-Match", tag)...)
			if got.status != http.StatusForbidden && got.status != http.StatusUnauthorized || got.header.Get("ETag") != "" {
				t.Errorf("Connect GET as %s = %d %v, want it refused without an ETag", id, got.status, got.header)
			}
		}
		if n := sent.Load() - before; n != 0 {
			t.Errorf("%d requests reached the service, want none", n)
		}
	})
}

func TestABatchIsRefusedAsAWhole(t *testing.T) {
	t.Parallel()
	overRing(t, func(t *testing.T, k *keyring, url string, sent *atomic.Int64) {
		for _, atomically := range []bool{false, true} {
			body := fmt.Sprintf(`{"atomic":%v,"operations":[{"set":{"key":"in/a","value":"1"}},{"set":{"key":"out","value":"1"}}]}`, atomically)
			got := askAs(t, http.MethodPost, url+"/v1/values:batch", body, append(k.header("inside"), "Content-Type", "application/json")...)
			if got.status != http.StatusForbidden || !strings.Contains(got.body, `"operation":"1"`) {
				t.Errorf("atomic %v: %d %s, want 403 and the operation", atomically, got.status, got.body)
			}
			for _, wire := range wiretest.Wires() {
				_, err := wire.Dial(t, url, k.header("inside")...).Batch(t.Context(), &keyvaluev1.BatchRequest{
					Atomic: atomically, Operations: []*keyvaluev1.Operation{
						{Operation: &keyvaluev1.Operation_Set{Set: set("in/a", "1")}}, {},
					},
				})
				why, metadata, _ := contract.ErrorInfo(err)
				if why != contract.PermissionDenied || metadata["operation"] != "1" {
					t.Errorf("atomic %v over %s: %v %v, want PERMISSION_DENIED and the operation", atomically, wire.Name, err, metadata)
				}
			}
		}
		if sent.Load() != 0 {
			t.Errorf("%d requests reached the service, want none", sent.Load())
		}
	})
}

// A list that includes an excluded prefix is refused, because it would have to leave entries out.
func TestAListDoesNotSkipAnExcludedPrefix(t *testing.T) {
	t.Parallel()
	k := newKeyring(t)
	k.add("most", "", read, func(r *auth.Record) {
		r.Grants = append(r.Grants, auth.Grant{Prefix: "secret/"}, auth.Grant{Prefix: "secret/but/", Ops: read})
	})
	url := k.start(arrangements[0].transport(t, newEngine(t)))
	for query, want := range map[string]int{
		"prefix=": 403, "prefix=s": 403, "prefix=secret/": 403, "prefix=secret/but/": 200, "prefix=secret/but/not": 200, "prefix=t": 200,
		"end=secret/": 200, "end=secret/1": 403, "start=secret0": 200, "start=secret/~": 403, "delimiter=/": 403,
		"start=secret/but/a&end=secret/but/b": 200, "start=secret/but/a&end=secret/c": 403, "prefix=s&end=secret": 200,
		"start=z&end=a": 403, "reverse=true&start=t": 200, "reverse=true&start=s": 403,
	} {
		if got := askAs(t, http.MethodGet, url+"/v1/values?"+query, "", k.header("most")...); got.status != want {
			t.Errorf("GET /v1/values?%s = %d %s, want %d", query, got.status, got.body, want)
		}
	}
}

func TestAKeyOverItsRateDoesNotAffectOthers(t *testing.T) {
	t.Parallel()
	k := newKeyring(t)
	k.add("slow", "", read|write, func(r *auth.Record) { r.RequestsPerSecond = 0.001 })
	k.add("other", "", read|write)
	k.add("many", "", read|write, func(r *auth.Record) { r.RequestsPerSecond = 1 })
	url := k.start(arrangements[0].transport(t, newEngine(t)))
	if got := askAs(t, http.MethodPut, url+"/v1/values/a", "1", append(k.header("slow"), "Content-Type", "text/plain")...); got.status != 201 {
		t.Fatalf("the first request = %d %s", got.status, got.body)
	}
	got := askAs(t, http.MethodGet, url+"/v1/values/a", "", k.header("slow")...)
	if seconds := got.header.Get("Retry-After"); got.status != 429 || got.field("reason") != "RATE_LIMITED" || len(seconds) < 2 {
		t.Errorf("the next request = %d %v %s, want 429 and Retry-After: 1000", got.status, got.header, got.body)
	}
	for _, wire := range wiretest.Wires() {
		for name, call := range calls {
			err := call(t.Context(), wire.Dial(t, url, k.header("slow")...), "a")
			if contract.ReasonOf(err) != contract.RateLimited || connect.CodeOf(err) != connect.CodeResourceExhausted || contract.RetryDelay(err) < 50*time.Second {
				t.Errorf("%s over %s = %v, want RATE_LIMITED with RetryInfo", name, wire.Name, err)
			}
		}
	}
	if got := askAs(t, http.MethodGet, url+"/v1/values/a", "", k.header("other")...); got.status != 200 {
		t.Errorf("another key = %d %s, want 200", got.status, got.body)
	}
	operations := strings.TrimSuffix(strings.Repeat(`{"get":{"key":"a"}},`, 100), ",")
	if got := askAs(t, http.MethodPost, url+"/v1/values:batch", `{"operations":[`+operations+`]}`, append(k.header("many"), "Content-Type", "application/json")...); got.status != 200 {
		t.Fatalf("a batch = %d %s", got.status, got.body)
	}
	if got := askAs(t, http.MethodGet, url+"/v1/values/a", "", k.header("many")...); got.status != 429 || len(got.header.Get("Retry-After")) < 2 {
		t.Errorf("a request after a batch of 100 = %d %v, want it to wait until all 100 are paid", got.status, got.header)
	}
}
