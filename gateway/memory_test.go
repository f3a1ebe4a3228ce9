package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"connectrpc.com/connect/v2"

	"key-value/gateway"
	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/admission"
	"key-value/internal/contract"
	"key-value/internal/testkit/wiretest"
	"key-value/kvservice/store"
)

const mebibyte = 1 << 20

// occupy charges n bytes to a call that lasts until it is released.
func occupy(t *testing.T, limiter *admission.Limiter, n int64) (release func()) {
	t.Helper()
	_, account, err := admission.NewChecks(nil, limiter).Admit(t.Context(), admission.Request{})
	if err == nil {
		err = account.Add(n)
	}
	if err != nil {
		t.Fatal(err)
	}
	return account.End
}

// put stores value, without a call.
func put(t *testing.T, engine store.Engine, key string, value []byte) {
	t.Helper()
	if _, err := engine.Do(t.Context(), store.Operation{Kind: store.Set, Key: key, Value: value}); err != nil {
		t.Fatal(err)
	}
}

// big are calls that need more than a megabyte, by the name of their method.
var big = map[string]func(ctx context.Context, kv client) error{
	"Get": func(ctx context.Context, kv client) error {
		_, err := kv.Get(ctx, &keyvaluev1.GetRequest{Key: "big/a"})
		return err
	},
	"Set": func(ctx context.Context, kv client) error {
		_, err := kv.Set(ctx, set("new", strings.Repeat("v", mebibyte)))
		return err
	},
	"List": func(ctx context.Context, kv client) error {
		_, err := kv.List(ctx, &keyvaluev1.ListRequest{Prefix: "big/"})
		return err
	},
	"Batch": func(ctx context.Context, kv client) error { return calls["Batch"](ctx, kv, "big/a") },
}

func TestMemoryOverTheBudgetIsRefusedOnEveryWire(t *testing.T) {
	t.Parallel()
	for where, transport := range limited {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			engine, limiter := newEngine(t), admission.New(admission.Config{Bytes: 8 * mebibyte})
			url := start(t, transport(t, engine, limiter), func(cfg *gateway.Config) { cfg.Limiter = limiter })
			put(t, engine, "big/a", bytes.Repeat([]byte("v"), mebibyte))
			put(t, engine, "small", []byte("v"))
			value := strings.Repeat("v", mebibyte)
			ask := func(method, path, body string, header ...string) int {
				got := ask(t, method, url+path, body, header...)
				if got.status == http.StatusServiceUnavailable &&
					(got.field("reason") != string(contract.Overloaded) || got.header.Get("Retry-After") == "" || got.header.Get("ETag") != "") {
					t.Errorf("%s %s = %v %s, want OVERLOADED with Retry-After", method, path, got.header, got.body)
				}
				return got.status
			}
			requests := map[string]func() int{
				"GET as JSON":   func() int { return ask("GET", "/v1/values/big/a", "", "Accept", "application/json") },
				"GET as text":   func() int { return ask("GET", "/v1/values/big/a", "", "Accept", "text/plain") },
				"GET of a list": func() int { return ask("GET", "/v1/values?prefix=big/", "") },
				"PUT":           func() int { return ask("PUT", "/v1/values/new", value, "Content-Type", "text/plain") },
				"POST of a batch": func() int {
					return ask("POST", "/v1/values:batch", `{"operations":[{"get":{"key":"big/a"}}]}`, "Content-Type", "application/json")
				},
			}

			release := occupy(t, limiter, 6*mebibyte)
			for name, request := range requests {
				if got := request(); got != http.StatusServiceUnavailable {
					t.Errorf("%s without memory = %d, want 503", name, got)
				}
			}
			if got := ask("GET", "/v1/values/small", ""); got != http.StatusOK {
				t.Errorf("GET of a few bytes without memory = %d, want 200", got)
			}
			for _, wire := range wiretest.Wires() {
				kv := wire.Dial(t, url, "x-api-key", apiKey)
				for name, call := range big {
					err := call(t.Context(), kv)
					if contract.ReasonOf(err) != contract.Overloaded || connect.CodeOf(err) != connect.CodeUnavailable {
						t.Errorf("%s: %s without memory = %v, want OVERLOADED", wire.Name, name, err)
					}
				}
				if err := calls["Get"](t.Context(), kv, "small"); err != nil {
					t.Errorf("%s: Get of a few bytes without memory = %v", wire.Name, err)
				}
			}
			if _, err := engine.Do(t.Context(), store.Operation{Kind: store.Get, Key: "new"}); err != store.ErrNotFound {
				t.Errorf("a write that was refused was made: %v", err)
			}

			release()
			idle := func() { await(t, "all memory is free again", func() bool { return limiter.Budget().Used() == 0 }) }
			for name, request := range requests {
				idle() // the last call ends a little after its response
				if got := request(); got >= http.StatusMultipleChoices {
					t.Errorf("%s with memory = %d", name, got)
				}
			}
			for _, wire := range wiretest.Wires() {
				kv := wire.Dial(t, url, "x-api-key", apiKey)
				for name, call := range big {
					idle()
					if err := call(t.Context(), kv); err != nil {
						t.Errorf("%s: %s with memory = %v", wire.Name, name, err)
					}
				}
			}
			idle()
		})
	}
}

func TestAWriteIsAnsweredOrRefusedWhole(t *testing.T) {
	t.Parallel()
	engine, limiter := newEngine(t), admission.New(admission.Config{Bytes: 8 * mebibyte})
	url := start(t, limited["one process"](t, engine, limiter), func(cfg *gateway.Config) { cfg.Limiter = limiter })
	put(t, engine, "big", bytes.Repeat([]byte("v"), mebibyte))

	// In JSON, which the response is, it is six times as long.
	control := strings.Repeat("\x01", 512<<10)
	// The response has what was read, and there is room for that.
	batch := `{"operations":[{"get":{"key":"big"}},{"set":{"key":"b","value":"` + strings.Repeat("v", 300<<10) + `"}}]}`
	mixed := &keyvaluev1.BatchRequest{Operations: []*keyvaluev1.Operation{
		{Operation: &keyvaluev1.Operation_Get{Get: &keyvaluev1.GetRequest{Key: "big"}}},
		{Operation: &keyvaluev1.Operation_Set{Set: set("b", "v")}},
	}}
	all := func() []int {
		codes := []int{
			ask(t, http.MethodPut, url+"/v1/values/a", control, "Content-Type", "text/plain").status,
			ask(t, http.MethodPost, url+"/v1/values:batch", batch, "Content-Type", "application/json").status,
		}
		for _, wire := range wiretest.Wires() {
			_, err := wire.Dial(t, url, "x-api-key", apiKey).Batch(t.Context(), mixed)
			code := http.StatusOK
			if contract.ReasonOf(err) == contract.Overloaded {
				code = http.StatusServiceUnavailable
			} else if err != nil {
				t.Errorf("%s: %v", wire.Name, err)
			}
			codes = append(codes, code)
		}
		return codes
	}
	release := occupy(t, limiter, 6*mebibyte-mebibyte*3/2-64<<10)
	for i, code := range all() {
		if code != http.StatusServiceUnavailable {
			t.Errorf("write %d with memory for the request alone = %d, want 503", i, code)
		}
	}
	for _, key := range []string{"a", "b"} {
		if _, err := engine.Do(t.Context(), store.Operation{Kind: store.Get, Key: key}); err != store.ErrNotFound {
			t.Errorf("%s was written, and the caller was told that nothing was changed", key)
		}
	}
	release()
	for i, code := range all() {
		if code != http.StatusCreated && code != http.StatusOK {
			t.Errorf("write %d with memory = %d", i, code)
		}
	}
}

func TestAStalledWatchDoesNotStopCalls(t *testing.T) {
	t.Parallel()
	for where, transport := range limited {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			const value = 256 << 10
			engine, limiter := newEngine(t), admission.New(admission.Config{Bytes: 8 * mebibyte})
			url := start(t, transport(t, engine, limiter), func(cfg *gateway.Config) { cfg.Limiter = limiter })
			for range 30 {
				conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				_ = conn.(*net.TCPConn).SetReadBuffer(4096)
				if _, err := fmt.Fprintf(conn, "GET /v1/values:watch?prefix= HTTP/1.1\r\nHost: a\r\nX-Api-Key: %s\r\n\r\n", apiKey); err != nil {
					t.Fatal(err)
				}
				if _, err := conn.Read(make([]byte, 1)); err != nil { // the rest stays unread
					t.Fatal(err)
				}
			}
			for i := range 40 {
				got := ask(t, http.MethodPut, url+"/v1/values/"+strconv.Itoa(i%4), strings.Repeat("v", value), "Content-Type", "text/plain")
				if got.status >= http.StatusMultipleChoices {
					t.Fatalf("PUT %d beside watches that nobody reads = %d %s", i, got.status, got.body)
				}
			}
			if used := limiter.Budget().Used(); used > 3*mebibyte {
				t.Errorf("30 watches that nobody reads use %d KiB, want a quarter of 8 MiB", used>>10)
			}
		})
	}
}

// An event may be much longer in JSON than it is.
func TestEventsOfAnyContentAreDelivered(t *testing.T) {
	t.Parallel()
	for where, transport := range limited {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			engine, limiter := newEngine(t), admission.New(admission.Config{Bytes: 16 * mebibyte})
			url := start(t, transport(t, engine, limiter), func(cfg *gateway.Config) { cfg.Limiter = limiter })
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/v1/values:watch?prefix=", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-Api-Key", apiKey)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			events := bufio.NewScanner(res.Body)
			events.Buffer(nil, 8*mebibyte)
			for i, content := range [][]byte{
				bytes.Repeat([]byte("\x01"), 200<<10), bytes.Repeat([]byte("\xff"), 200<<10), []byte("small"), bytes.Repeat([]byte("v"), mebibyte),
			} {
				put(t, engine, strconv.Itoa(i), content)
				event := nextPut(t, events)
				got := []byte(event.field("value"))
				if data := event.field("data"); data != "" {
					got, _ = base64.StdEncoding.DecodeString(data)
				}
				if !bytes.Equal(got, content) {
					t.Errorf("event %d has %d bytes, want %d: %.80q", i, len(got), len(content), event.body)
				}
			}
			_ = res.Body.Close()
			await(t, "all memory is free again", func() bool { return limiter.Budget().Used() == 0 })
		})
	}
}

// nextPut returns the data of the next event about an entry.
func nextPut(t *testing.T, events *bufio.Scanner) answer {
	t.Helper()
	for events.Scan() {
		if data, ok := strings.CutPrefix(events.Text(), `data: {"key"`); ok {
			return answer{body: `{"key"` + data}
		}
	}
	t.Fatalf("the watch ended: %v", events.Err())
	return answer{}
}
