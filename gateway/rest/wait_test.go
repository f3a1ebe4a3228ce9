package rest_test

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"key-value/gateway/rest"
	keyvaluev1 "key-value/gen/keyvalue/v1"
)

// poll is a conditional GET of "hello" and its outcome.
type poll struct {
	client *http.Client
	method string
	header []string // such as "Prefer", "wait=30"
}

type polled struct {
	status  int
	body    string
	header  http.Header
	waited  time.Duration
	failure error
}

// do makes the request. "current" in a header stands for the etag of "hello".
func (p poll) do(ctx context.Context, t *testing.T) polled {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, p.method, bubbleURL+"/hello", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(p.header); i += 2 {
		value := p.header[i+1]
		if value == "current" {
			value = etagOf(t, p.client)
		}
		req.Header.Add(p.header[i], value)
	}
	begin := time.Now()
	res, err := p.client.Do(req)
	if err != nil {
		return polled{failure: err, waited: time.Since(begin)}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return polled{res.StatusCode, string(body), res.Header, time.Since(begin), err}
}

func etagOf(t *testing.T, c *http.Client) string {
	t.Helper()
	res, err := c.Get(bubbleURL + "/hello")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.Header.Get("ETag")
}

func TestWait(t *testing.T) {
	t.Parallel()
	set := func(t *testing.T, kv client) { mustSet(t, kv, valueOf("hello", "new")) }
	remove := func(t *testing.T, kv client) { mustDelete(t, kv, "hello") }
	expire := func(t *testing.T, kv client) {
		mustSet(t, kv, valueOf("hello", "new"))
		touch := &keyvaluev1.TouchRequest{Key: "hello", Ttl: durationpb.New(time.Second)}
		if _, err := kv.Touch(t.Context(), touch); err != nil {
			t.Fatal(err)
		}
	}
	elsewhere := func(t *testing.T, kv client) { mustSet(t, kv, valueOf("hello2", "new")) }
	const current, ifNoneMatch = "current", "If-None-Match"
	rows := []struct {
		name    string
		header  []string
		change  func(*testing.T, client) // after 5 s
		status  int
		waited  time.Duration
		applied string
	}{
		{"nothing changes", []string{ifNoneMatch, current, "Prefer", "wait=30"}, nil, 304, 30 * time.Second, "wait=30"},
		{"another key changes", []string{ifNoneMatch, current, "Prefer", "wait=30"}, elsewhere, 304, 30 * time.Second, "wait=30"},
		{"the value changes", []string{ifNoneMatch, current, "Prefer", "wait=30"}, set, 200, 5 * time.Second, "wait=30"},
		{"the key is deleted", []string{ifNoneMatch, current, "Prefer", "wait=30"}, remove, 404, 5 * time.Second, "wait=30"},
		{"it has changed already", []string{ifNoneMatch, `"old"`, "Prefer", "wait=30"}, nil, 200, 0, "wait=30"},
		{"one of a list", []string{ifNoneMatch, `"old"`, ifNoneMatch, current, "Prefer", "wait=2"}, nil, 304, 2 * time.Second, "wait=2"},
		{"any version, and the entry changes", []string{ifNoneMatch, "*", "Prefer", "wait=30"}, set, 304, 30 * time.Second, "wait=30"},
		{"any version, and the entry is deleted", []string{ifNoneMatch, "*", "Prefer", "wait=30"}, remove, 404, 5 * time.Second, "wait=30"},
		{"any version, and the entry expires", []string{ifNoneMatch, "*", "Prefer", "wait=30"}, expire, 404, 6 * time.Second, "wait=30"},
		{"longer than the maximum", []string{ifNoneMatch, current, "Prefer", "wait=3600"}, nil, 304, 45 * time.Second, "wait=45"},
		{"without a condition there is no wait", []string{"Prefer", "wait=30"}, nil, 200, 0, ""},
		{"with If-Match alone there is no wait", []string{"If-Match", current, "Prefer", "wait=30"}, nil, 200, 0, ""},
		{"no time at all", []string{ifNoneMatch, current, "Prefer", "wait=0"}, nil, 304, 0, ""},
		{"a malformed wait is ignored", []string{ifNoneMatch, current, "Prefer", "wait=soon"}, nil, 304, 0, ""},
		{"another preference", []string{ifNoneMatch, current, "Prefer", "return=minimal"}, nil, 304, 0, ""},
		{
			"a condition that fails is not waited for",
			[]string{ifNoneMatch, current, "If-Match", `"old"`, "Prefer", "wait=30"}, nil, 412, 0, "wait=30",
		},
		{
			"an unavailable media type is not waited for",
			[]string{ifNoneMatch, current, "Accept", "text/html", "Prefer", "wait=30"}, nil, 406, 0, "wait=30",
		},
	}
	for _, row := range rows {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			t.Run(row.name+", "+method, func(t *testing.T) {
				t.Parallel()
				inBubble(t, with(rest.Config{Timeout: time.Second}), func(t *testing.T, c *http.Client, kv client) {
					if row.change != nil {
						defer time.AfterFunc(5*time.Second, func() { row.change(t, kv) }).Stop()
					}
					got := poll{c, method, row.header}.do(t.Context(), t)
					if got.failure != nil || got.status != row.status || got.waited != row.waited {
						t.Errorf("%d after %v (%v), want %d after %v", got.status, got.waited, got.failure, row.status, row.waited)
					}
					if applied := got.header.Get("Preference-Applied"); applied != row.applied {
						t.Errorf("Preference-Applied: %q, want %q", applied, row.applied)
					}
				})
			})
		}
	}
}

func TestNoWaitForAMissingKey(t *testing.T) {
	t.Parallel()
	runReal(t, []exchange{
		{
			name: "a missing key", request: "GET /v1/values/nope", header: []string{`If-None-Match: "x"`, "Prefer: wait=30"},
			status: 404, reason: "KEY_NOT_FOUND",
		},
		{
			name: "an empty key", request: "GET /v1/values/", header: []string{`If-None-Match: "x"`, "Prefer: wait=30"},
			status: 400, reason: "KEY_INVALID",
		},
		{
			name: "the response is the same as without waiting", request: "GET /v1/values/hello",
			header: []string{`If-None-Match: "x"`, "Prefer: wait=30"}, status: 200, answer: `{"key":"hello","value":"world"}` + "\n",
			wants: []string{"Preference-Applied: wait=30", "Vary: Prefer, Accept, X-Api-Key, Authorization"},
		},
		{
			name: "a wait that proxies would cut off is shortened, and the response says so", request: "GET /v1/values/hello",
			header: []string{`If-None-Match: "x"`, "Prefer: wait=60"}, status: 200, wants: []string{"Preference-Applied: wait=45"},
		},
	})
}

func TestWaitEndsWhenTheServerStops(t *testing.T) {
	t.Parallel()
	var stop context.CancelFunc
	inBubble(t, func(t testing.TB) (client, rest.Config) {
		var cfg rest.Config
		cfg.Stopping, stop = context.WithCancel(context.Background())
		t.Cleanup(stop)
		return newService(t), cfg
	}, func(t *testing.T, c *http.Client, _ client) {
		defer time.AfterFunc(5*time.Second, stop).Stop()
		got := poll{c, http.MethodGet, []string{"If-None-Match", "current", "Prefer", "wait=30"}}.do(t.Context(), t)
		if got.status != http.StatusNotModified || got.waited != 5*time.Second {
			t.Errorf("%d after %v, want 304 after 5s", got.status, got.waited)
		}
	})
}

// The bubble fails the test if a goroutine outlives the request.
func TestWaitEndsWhenItsCallerDisconnects(t *testing.T) {
	t.Parallel()
	inBubble(t, with(rest.Config{}), func(t *testing.T, c *http.Client, _ client) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		got := poll{c, http.MethodGet, []string{"If-None-Match", "current", "Prefer", "wait=30"}}.do(ctx, t)
		if got.failure == nil || got.waited != 5*time.Second {
			t.Errorf("%d after %v, want no answer", got.status, got.waited)
		}
	})
}

// A change at any time around the start of a wait ends the wait.
func TestWaitMissesNoChange(t *testing.T) {
	t.Parallel()
	kv := newService(t)
	addr := start(t, kv, rest.Config{})
	tag := send(t, addr, exchange{request: "GET /v1/values/hello"}).Header.Get("ETag")
	for i := range 200 {
		var writer sync.WaitGroup
		writer.Go(func() { mustSet(t, kv, valueOf("hello", strconv.Itoa(i))) })
		got := send(t, addr, exchange{
			request: "GET /v1/values/hello", header: []string{"If-None-Match: " + tag, "Prefer: wait=20", "Accept: text/plain"},
		})
		writer.Wait()
		if got.StatusCode != http.StatusOK || got.text != strconv.Itoa(i) {
			t.Fatalf("change %d: %d %s, want it", i, got.StatusCode, got.text)
		}
		tag = got.Header.Get("ETag")
	}
}

func TestPrefer(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name  string
		lines []string
		want  time.Duration
	}{
		{"nothing", nil, 0},
		{"an empty header", []string{""}, 0},
		{"seconds", []string{"wait=30"}, 30 * time.Second},
		{"seconds in quotes", []string{`wait="30"`}, 30 * time.Second},
		{"superfluous spaces", []string{"wait = 30 "}, 30 * time.Second},
		{"any case", []string{"Wait=30"}, 30 * time.Second},
		{"among others", []string{`return=minimal, foo="a, wait=5"; bar, wait=30; x=y, respond-async`}, 30 * time.Second},
		{"in the second line", []string{"respond-async", "wait=30"}, 30 * time.Second},
		{"the first one counts", []string{"wait=30, wait=40"}, 30 * time.Second},
		{"the first one counts, and is malformed", []string{"wait=x, wait=40"}, 0},
		{"at most less than the 60 s of proxies", []string{"wait=60"}, 45 * time.Second},
		{"more than any integer holds", []string{"wait=99999999999999999999999"}, 45 * time.Second},
		{"leading zeros", []string{"wait=0030"}, 30 * time.Second},
		{"zero", []string{"wait=0"}, 0},
		{"a negative time", []string{"wait=-1"}, 0},
		{"a sign", []string{"wait=+1"}, 0},
		{"a fraction", []string{"wait=1.5"}, 0},
		{"a unit", []string{"wait=30s"}, 0},
		{"no time", []string{"wait"}, 0},
		{"a quote that is not closed", []string{`wait="`}, 0},
		{"another preference", []string{"waiting=30"}, 0},
	}
	for _, row := range rows {
		if got := rest.PreferredWait(http.Header{"Prefer": row.lines}); got != row.want {
			t.Errorf("%s: %q waits %v, want %v", row.name, row.lines, got, row.want)
		}
	}
}
