package proxies_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/testkit/proc"
	"key-value/internal/testkit/wiretest"
)

// wire is a way to call the store.
type wire struct {
	name string
	http bool // whether it works below a sub-path
	dial func(t *testing.T, url string) keyvaluev1connect.KeyValueServiceClient
}

// wires are those of package wiretest, which speak HTTP/2, and those of browsers and programs that speak HTTP/1.1.
func wires() (all []wire) {
	for _, w := range wiretest.Wires() {
		all = append(all, wire{w.Name, strings.HasPrefix(w.Name, "Connect") || w.Name == "gRPC-Web", func(t *testing.T, url string) keyvaluev1connect.KeyValueServiceClient {
			return w.Dial(t, url, "x-api-key", apiKey)
		}})
	}
	for name, options := range map[string][]connecthttp.Option{
		"Connect over HTTP/1.1":  nil,
		"gRPC-Web over HTTP/1.1": {connecthttp.WithGRPCWeb()},
	} {
		all = append(all, wire{name, true, func(t *testing.T, url string) keyvaluev1connect.KeyValueServiceClient {
			transport := connecthttp.NewTransport(clientFrom(t, "127.0.0.1", false), url, options...)
			return keyvaluev1connect.NewKeyValueServiceClient(connect.NewClient(wiretest.WithHeader(transport, "x-api-key", apiKey)))
		}})
	}
	return all
}

// set writes to the store directly.
func (s *stage) set(t *testing.T, key, value string) {
	t.Helper()
	_, err := wires()[0].dial(t, s.direct()).Set(t.Context(), &keyvaluev1.SetRequest{Key: key, Content: &keyvaluev1.SetRequest_Value{Value: value}})
	if err != nil {
		t.Fatal(err)
	}
}

// get reads from the store directly.
func (s *stage) get(t *testing.T, key string) (string, error) {
	t.Helper()
	got, err := wires()[0].dial(t, s.direct()).Get(t.Context(), &keyvaluev1.GetRequest{Key: key})
	return got.GetEntry().GetValue(), err
}

// ask sends a REST request and returns the response, whose body the test closes.
func ask(ctx context.Context, t *testing.T, client *http.Client, method, url, body string, header ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", apiKey)
	req.Header.Set("Content-Type", "text/plain")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

func TestCallsWorkBehindAProxyOnEveryWire(t *testing.T) {
	behindEach(t, nil, func(t *testing.T, s *stage) {
		large := strings.Repeat("x", 1<<20) // the largest value
		for _, w := range wires() {
			t.Run(w.name, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				client := w.dial(t, s.url)
				for _, value := range []string{"ä", large} {
					_, err := client.Set(ctx, &keyvaluev1.SetRequest{Key: "a//" + w.name, Content: &keyvaluev1.SetRequest_Value{Value: value}})
					if err != nil {
						t.Fatalf("Set of %d bytes: %v", len(value), err)
					}
					got, err := client.Get(ctx, &keyvaluev1.GetRequest{Key: "a//" + w.name})
					if err != nil || got.GetEntry().GetValue() != value {
						t.Errorf("Get of %d bytes = %d bytes, %v", len(value), len(got.GetEntry().GetValue()), err)
					}
				}
				_, err := client.Get(ctx, &keyvaluev1.GetRequest{Key: "nope"})
				if e, ok := errors.AsType[*connect.Error](err); !ok || e.Code() != connect.CodeNotFound || len(e.Details()) == 0 {
					t.Errorf("Get(nope) = %v, want not_found with its reason", err)
				}
			})
		}
		for _, http2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("REST, HTTP/2 %v", http2), func(t *testing.T) {
				client := clientFrom(t, "127.0.0.1", http2)
				if res := ask(t.Context(), t, client, http.MethodPut, s.url+"/v1/values/rest", large); res.StatusCode >= 300 {
					t.Errorf("PUT = %s", res.Status)
				}
				res := ask(t.Context(), t, client, http.MethodGet, s.url+"/v1/values/rest", "", "Accept", "text/plain")
				if got, err := io.ReadAll(res.Body); err != nil || string(got) != large {
					t.Errorf("GET = %s, %d bytes, %v", res.Status, len(got), err)
				}
				if res := ask(t.Context(), t, client, http.MethodGet, s.url+"/v1/values/nope", ""); res.StatusCode != http.StatusNotFound {
					t.Errorf("GET of no key = %s", res.Status)
				}
				// The store answers these before it has read the body.
				if res := ask(t.Context(), t, client, http.MethodPut, s.url+"/v1/values/rest", large+"x"); res.StatusCode != http.StatusRequestEntityTooLarge {
					t.Errorf("PUT of a value over the limit = %s", res.Status)
				}
				if res := ask(t.Context(), t, client, http.MethodPut, s.url+"/v1/values/rest", large, "X-Api-Key", "wrong"); res.StatusCode != http.StatusUnauthorized {
					t.Errorf("PUT with a wrong key = %s", res.Status)
				}
			})
		}
	})
}

// An event arrives while its watch stays open. A proxy that buffers would deliver it when its buffer is full, or never.
func TestWatchesBehindAProxyDeliverAtOnceOnEveryWire(t *testing.T) {
	behindEach(t, nil, func(t *testing.T, s *stage) {
		for _, base := range []string{"", "/kv"} {
			for _, w := range wires() {
				if base != "" && !w.http {
					continue
				}
				t.Run(w.name+base, func(t *testing.T) { s.watchRPC(t, w, base) })
			}
			for _, http2 := range []bool{false, true} {
				t.Run(fmt.Sprintf("server-sent events, HTTP/2 %v%s", http2, base), func(t *testing.T) {
					s.watchREST(t, clientFrom(t, "127.0.0.1", http2), base)
				})
				t.Run(fmt.Sprintf("long poll, HTTP/2 %v%s", http2, base), func(t *testing.T) {
					s.poll(t, clientFrom(t, "127.0.0.1", http2), base)
				})
			}
			t.Run("kv watch"+base, func(t *testing.T) { s.watchKV(t, base) })
		}
	})
}

func (s *stage) watchRPC(t *testing.T, w wire, base string) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	key := "watched/" + w.name
	stream, err := w.dial(t, s.url+base).Watch(ctx, &keyvaluev1.WatchRequest{Target: &keyvaluev1.WatchRequest_Key{Key: key}})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if _, err := stream.Receive(); err != nil { // that it is open
		t.Fatalf("the watch does not open: %v", err)
	}
	for _, value := range []string{"1", "2"} {
		s.set(t, key, value)
		for {
			event, err := stream.Receive()
			if err != nil {
				t.Fatalf("no event for value %s: %v", value, err)
			}
			if event.GetEvent().GetEntry().GetValue() == value {
				break
			}
		}
	}
}

func (s *stage) watchREST(t *testing.T, client *http.Client, base string) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	res := ask(ctx, t, client, http.MethodGet, s.url+base+"/v1/values:watch?key=watched", "")
	lines := bufio.NewScanner(res.Body)
	for _, value := range []string{"1", "2"} {
		if value == "1" && !lines.Scan() {
			t.Fatalf("the watch does not open: %s, %v", res.Status, lines.Err())
		}
		s.set(t, "watched", value)
		for {
			if !lines.Scan() {
				t.Fatalf("no event for value %s: %v", value, lines.Err())
			}
			if strings.Contains(lines.Text(), fmt.Sprintf(`"value":%q`, value)) {
				break
			}
		}
	}
}

func (s *stage) poll(t *testing.T, client *http.Client, base string) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s.set(t, "polled", "1")
	s.awaitWatchers(ctx, t, 0)
	url := s.url + base + "/v1/values/polled"
	etag := ask(ctx, t, client, http.MethodGet, url, "").Header.Get("ETag")
	answer := make(chan string, 1)
	go func() {
		res := ask(ctx, t, client, http.MethodGet, url, "", "If-None-Match", etag, "Prefer", "wait=40", "Accept", "text/plain")
		body, err := io.ReadAll(res.Body)
		answer <- fmt.Sprint(res.StatusCode, string(body), err)
	}()
	s.awaitWatchers(ctx, t, 1)
	s.set(t, "polled", "2")
	if got, want := <-answer, fmt.Sprint(http.StatusOK, "2", nil); got != want {
		t.Errorf("the long poll = %s, want %s", got, want)
	}
}

// awaitWatchers waits until n watches are open, of which a long poll is one.
func (s *stage) awaitWatchers(ctx context.Context, t *testing.T, n int64) {
	t.Helper()
	client := wires()[0].dial(t, s.direct())
	for {
		stats, err := client.GetStats(ctx, &keyvaluev1.GetStatsRequest{})
		if err != nil {
			t.Fatalf("%d watches are open, want %d: %v", stats.GetWatchers(), n, err)
		}
		if stats.GetWatchers() == n {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// watchKV watches with the command.
func (s *stage) watchKV(t *testing.T, base string) {
	s.set(t, "printed", "1")
	var group proc.Group
	defer group.Kill()
	p, err := group.Start(proc.KV(kv, []string{"KV_API_KEY=" + apiKey, "KV_CA=" + wiretest.AuthorityFile(t)},
		"watch", "printed", "--snapshot", "-o", "json", "--url", s.url+base))
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"1", "2"} {
		s.set(t, "printed", value)
		if _, err := p.WaitFor(t.Context(), p.Out, `"value":"`+value+`"`); err != nil {
			t.Fatalf("value %s is not printed: %v", value, err)
		}
	}
}

// Paths, and the keys that they name.
var keys = map[string]string{
	"a/b":           "a/b",
	"a//b":          "a//b",
	"a///b/":        "a///b/",
	"//a":           "//a",
	"a%2Fb":         "a/b",
	"a%2F%2Fb":      "a//b",
	"a%252Fb":       "a%2Fb",
	"a%20b+c":       "a b+c",
	"a%3Fb%23c":     "a?b#c",
	"%C3%A4":        "ä",
	"a:b@c;d=e,f&g": "a:b@c;d=e,f&g",
	"a%25":          "a%",
	"kv/kv":         "kv/kv",
}

func TestKeysPassAProxyUnchanged(t *testing.T) {
	behindEach(t, nil, func(t *testing.T, s *stage) {
		for _, base := range []string{"", "/kv"} {
			for _, http2 := range []bool{false, true} {
				client := clientFrom(t, "127.0.0.1", http2)
				for path, key := range keys {
					value := fmt.Sprint(base, http2, key)
					if res := ask(t.Context(), t, client, http.MethodPut, s.url+base+"/v1/values/"+path, value); res.StatusCode >= 300 {
						t.Errorf("PUT %s/v1/values/%s = %s", base, path, res.Status)
						continue
					}
					if got, err := s.get(t, key); err != nil || got != value {
						t.Errorf("after PUT %s/v1/values/%s, the key %q has %q, %v; want %q", base, path, key, got, err, value)
					}
				}
			}
		}
	})
}
