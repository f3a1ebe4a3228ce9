package gateway_test

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/testkit/wiretest"
	"key-value/kvservice/store"
)

// reads checks how many hits and misses the engine counts.
type reads struct {
	engine store.Engine
	last   store.Stats
}

// want checks what has been counted since the last call.
func (r *reads) want(t *testing.T, what string, hits, misses int64) {
	t.Helper()
	now, err := r.engine.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if h, m := now.Hits-r.last.Hits, now.Misses-r.last.Misses; h != hits || m != misses {
		t.Errorf("%s: %d hits and %d misses, want %d and %d", what, h, m, hits, misses)
	}
	r.last = now
}

func eachArrangement(t *testing.T, test func(t *testing.T, url string, counted *reads)) {
	for _, arrangement := range arrangements {
		t.Run(arrangement.name, func(t *testing.T) {
			t.Parallel()
			engine := newEngine(t)
			test(t, start(t, arrangement.transport(t, engine)), &reads{engine: engine})
		})
	}
}

func TestOnlyReadsAreCountedOverREST(t *testing.T) {
	t.Parallel()
	const get, put, patch, del, post = http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodPost
	eachArrangement(t, func(t *testing.T, url string, counted *reads) {
		for _, step := range []struct {
			name, method, path, body, header string
			status                           int
			hits, misses                     int64
		}{
			{"a write", put, "/v1/values/a", "1", "", 201, 0, 0},
			{"a write by the first route", put, "/v1/values", `{"key":"first","value":"1"}`, "", 200, 0, 0},
			{"a read", get, "/v1/values/a", "", "", 200, 1, 0},
			{"a read of no key", get, "/v1/values/nope", "", "", 404, 0, 1},
			{"HEAD", http.MethodHead, "/v1/values/a", "", "", 200, 1, 0},
			{"a conditional read", get, "/v1/values/a", "", "If-None-Match: *", 304, 1, 0},
			{"a read whose condition fails", get, "/v1/values/a", "", `If-Match: "x"`, 412, 1, 0},
			{"a write of an entry that exists", put, "/v1/values/a", "2", "If-Match: *", 200, 0, 0},
			{"a write of a new entry", put, "/v1/values/a", "2", "If-None-Match: *", 412, 0, 0},
			{"a write of one version", put, "/v1/values/a", "2", `If-Match: "x"`, 412, 0, 0},
			{"a write of one of several versions", put, "/v1/values/a", "2", `If-Match: "x", "y"`, 412, 0, 0},
			{"a write of a weak version", put, "/v1/values/a", "2", `If-Match: W/"x"`, 412, 0, 0},
			{"a write of any version but one", put, "/v1/values/a", "2", `If-None-Match: "x"`, 200, 0, 0},
			{"a write of a missing entry, of any version but one", put, "/v1/values/b", "2", `If-None-Match: "x"`, 201, 0, 0},
			{"a touch of any version but one", patch, "/v1/values/a", `{"ttl":"1h"}`, `If-None-Match: "x"`, 200, 0, 0},
			{"a touch of a missing entry", patch, "/v1/values/nope", `{"ttl":"1h"}`, "", 404, 0, 0},
			{"a delete of any version but one", del, "/v1/values/b", "", `If-None-Match: "x"`, 204, 0, 0},
			{"an increment", post, "/v1/values:increment", `{"key":"a","delta":1}`, "", 200, 0, 0},
			{"a list", get, "/v1/values?prefix=", "", "", 200, 0, 0},
			{
				"a batch", post, "/v1/values:batch",
				`{"operations":[{"get":{"key":"a"}},{"get":{"key":"nope"}},{"set":{"key":"c","value":"1","precondition":{"exists":false}}}]}`,
				"", 200, 1, 1,
			},
			{
				"an atomic batch that fails", post, "/v1/values:batch",
				`{"atomic":true,"operations":[{"get":{"key":"a"}},{"get":{"key":"nope"}}]}`, "", 404, 0, 0,
			},
		} {
			header := []string{"Content-Type", "text/plain"}
			if strings.HasPrefix(step.body, "{") {
				header[1] = "application/json"
			}
			if name, value, ok := strings.Cut(step.header, ": "); ok {
				header = append(header, name, value)
			}
			if got := ask(t, step.method, url+step.path, step.body, header...); got.status != step.status {
				t.Fatalf("%s: %d %s, want %d", step.name, got.status, got.body, step.status)
			}
			counted.want(t, step.name, step.hits, step.misses)
		}
	})
}

func TestOnlyReadsAreCountedOverRPC(t *testing.T) {
	t.Parallel()
	eachArrangement(t, func(t *testing.T, url string, counted *reads) {
		for _, wire := range wiretest.Wires() {
			kv, key := wire.Dial(t, url, "x-api-key", apiKey), wire.Name
			ctx := t.Context()
			set := func(p *keyvaluev1.Precondition) {
				_, _ = kv.Set(ctx, &keyvaluev1.SetRequest{
					Key: key, Content: &keyvaluev1.SetRequest_Value{Value: "1"}, Precondition: p,
				})
			}
			get := func(key string, uncounted bool) {
				_, _ = kv.Get(ctx, &keyvaluev1.GetRequest{Key: key, Uncounted: uncounted})
			}
			set(nil)
			set(&keyvaluev1.Precondition{Kind: &keyvaluev1.Precondition_Exists{Exists: false}})
			set(&keyvaluev1.Precondition{Kind: &keyvaluev1.Precondition_Etag{Etag: "x"}})
			_, _ = kv.Touch(ctx, &keyvaluev1.TouchRequest{Key: key})
			_, _ = kv.Increment(ctx, &keyvaluev1.IncrementRequest{Key: key, Delta: 1})
			_, _ = kv.List(ctx, &keyvaluev1.ListRequest{})
			counted.want(t, wire.Name+": writes and a list", 0, 0)
			get(key, false)
			get("nope", false)
			counted.want(t, wire.Name+": two reads", 1, 1)
			get(key, true)
			get("nope", true)
			counted.want(t, wire.Name+": two reads to leave out", 0, 0)
		}
	})
}

// While its condition keeps holding, a wait reads the entry after each change.
func TestALongPollIsCountedOnce(t *testing.T) {
	t.Parallel()
	eachArrangement(t, func(t *testing.T, url string, counted *reads) {
		ask(t, http.MethodPut, url+"/v1/values/a", "0", "Content-Type", "text/plain")
		counted.want(t, "a write", 0, 0)
		polled := make(chan answer, 1)
		go func() {
			polled <- ask(t, http.MethodGet, url+"/v1/values/a", "", "If-None-Match", "*", "Prefer", "wait=45")
		}()
		for stats := (store.Stats{}); stats.Hits == counted.last.Hits && len(polled) == 0; time.Sleep(time.Millisecond) {
			stats, _ = counted.engine.Stats(t.Context())
		}
		for i := range 5 {
			ask(t, http.MethodPut, url+"/v1/values/a", strconv.Itoa(i), "Content-Type", "text/plain")
		}
		ask(t, http.MethodDelete, url+"/v1/values/a", "")
		if got := <-polled; got.status != http.StatusNotFound {
			t.Fatalf("the wait ended with %d %s, want 404", got.status, got.body)
		}
		counted.want(t, "a wait for a delete, with five writes before", 1, 0)
	})
}

// In two processes, values that do not fit into the answer of a batch are read by themselves.
func TestReadsOfLargeValuesAreCountedOnce(t *testing.T) {
	t.Parallel()
	eachArrangement(t, func(t *testing.T, url string, counted *reads) {
		ask(t, http.MethodPut, url+"/v1/values/large", strings.Repeat("v", 200<<10), "Content-Type", "text/plain")
		counted.want(t, "a write", 0, 0)
		kv := wiretest.Wires()[0].Dial(t, url, "x-api-key", apiKey)
		const n = 30
		var readers sync.WaitGroup
		for range n {
			readers.Go(func() {
				if _, err := kv.Get(context.WithoutCancel(t.Context()), &keyvaluev1.GetRequest{Key: "large"}); err != nil {
					t.Error(err)
				}
			})
		}
		readers.Wait()
		counted.want(t, "reads at the same time", n, 0)
	})
}
