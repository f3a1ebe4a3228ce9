package rest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"key-value/gateway/rest"
	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/testkit/wiretest"
)

const synced = `sync {"revision":"<revision>"}`

// put is the event of an entry that was stored.
func put(key, value string) string {
	return fmt.Sprintf(`put {"key":%q,"value":%q,"etag":"<etag>","revision":"<revision>","updateTime":"<time>"}`, key, value)
}

// overBoth runs test over HTTP/1.1 and HTTP/2, with a new service.
func overBoth(t *testing.T, test func(t *testing.T, kv client, c *http.Client, watch string)) {
	t.Helper()
	for name, dial := range map[string]func(testing.TB) *http.Client{"HTTP/1.1": http1, "HTTP/2": wiretest.HTTPClient} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kv := newService(t)
			url := wiretest.Serve(t, rest.New(kv, rest.Config{}))
			test(t, kv, dial(t), url+"/v1/values:watch")
		})
	}
}

func http1(t testing.TB) *http.Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, kv client, c *http.Client, watch string) {
		s := listen(t, c, watch+"?prefix=a/")
		s.want(t, synced)
		for name, want := range map[string]string{
			"Content-Type": "text/event-stream", "Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no",
			"X-Content-Type-Options": "nosniff", "Content-Length": "",
		} {
			if got := s.Header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		mustSet(t, kv, valueOf("a/1", "two\nlines\r\n"))
		mustSet(t, kv, valueOf("b", "elsewhere"))
		mustSet(t, kv, &keyvaluev1.SetRequest{
			Key: "a/2", Content: &keyvaluev1.SetRequest_Data{Data: []byte("\xff\x00")}, Ttl: durationpb.New(time.Hour),
		})
		mustSet(t, kv, &keyvaluev1.SetRequest{
			Key: "a/3", Content: &keyvaluev1.SetRequest_Value{}, Ttl: durationpb.New(time.Nanosecond),
		})
		s.want(t, put("a/1", "two\nlines\r\n"),
			`put {"key":"a/2","data":"/wA=","etag":"<etag>","revision":"<revision>","updateTime":"<time>","expireTime":"<time>","ttl":"<ttl>"}`,
			`put {"key":"a/3","value":"","etag":"<etag>","revision":"<revision>","updateTime":"<time>","expireTime":"<time>","ttl":"<ttl>"}`,
			`expire {"key":"a/3","revision":"<revision>"}`)
		if _, err := kv.Touch(t.Context(), &keyvaluev1.TouchRequest{Key: "a/1", Ttl: durationpb.New(time.Hour)}); err != nil {
			t.Error(err)
		}
		mustDelete(t, kv, "a/1")
		s.want(t, `touch {"key":"a/1","etag":"<etag>","revision":"<revision>","updateTime":"<time>","expireTime":"<time>","ttl":"<ttl>"}`,
			`delete {"key":"a/1","revision":"<revision>"}`)
		if s.retry == "" {
			t.Error("the stream does not say when to connect again")
		}
	})
}

func mustSet(t testing.TB, kv client, req *keyvaluev1.SetRequest) {
	t.Helper()
	if _, err := kv.Set(t.Context(), req); err != nil {
		t.Error(err) // not Fatal, because this runs in any goroutine
	}
}

func mustDelete(t testing.TB, kv client, key string) {
	t.Helper()
	if _, err := kv.Delete(t.Context(), &keyvaluev1.DeleteRequest{Key: key}); err != nil {
		t.Error(err)
	}
}

func TestWatchOfOneKey(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, kv client, c *http.Client, watch string) {
		s := listen(t, c, watch+"?key=a%26b")
		s.want(t, synced)
		mustSet(t, kv, valueOf("a&b/c", "x"))
		mustSet(t, kv, valueOf("a&b", "1"))
		s.want(t, put("a&b", "1"))
	})
}

func TestSnapshot(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, kv client, c *http.Client, watch string) {
		for _, query := range []string{"&snapshot=true", "&snapshot"} {
			s := listen(t, c, watch+"?prefix=hel"+query)
			if e := s.want(t, put("hello", "world")); e.id != "" {
				t.Errorf("an entry of the snapshot has the id %q, want none: it cannot be resumed there", e.id)
			}
			if e := s.want(t, synced); e.id == "" {
				t.Error("the end of the snapshot has no id")
			}
		}
		s := listen(t, c, watch+"?prefix=hel&snapshot=false")
		s.want(t, synced)
	})
}

func TestResume(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, kv client, c *http.Client, watch string) {
		s := listen(t, c, watch+"?prefix=a/")
		s.want(t, synced)
		for _, value := range []string{"1", "2", "3"} {
			mustSet(t, kv, valueOf("a/k", value))
		}
		first := s.want(t, put("a/k", "1"))
		second := s.want(t, put("a/k", "2"))
		for name, s := range map[string]*eventSource{
			"by header":              listen(t, c, watch+"?prefix=a/", "Last-Event-ID", first.id),
			"by query":               listen(t, c, watch+"?prefix=a/&resumeToken="+first.id),
			"the header has the say": listen(t, c, watch+"?prefix=a/&resumeToken="+second.id, "Last-Event-ID", first.id),
			"no snapshot again":      listen(t, c, watch+"?prefix=a/&snapshot=true", "Last-Event-ID", first.id),
			"by query, as polyfills": listen(t, c, watch+"?prefix=a/&snapshot=true&resumeToken="+second.id+"&lastEventId="+first.id),
			"by both":                listen(t, c, watch+"?prefix=a/&lastEventId="+second.id, "Last-Event-ID", first.id),
			"an empty id is none":    listen(t, c, watch+"?prefix=a/&resumeToken="+first.id+"&lastEventId="),
		} {
			t.Run(name, func(t *testing.T) { s.want(t, put("a/k", "2"), put("a/k", "3")) })
		}
	})
}

func TestInvalidWatchRequests(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name, query string
		header      []string
		status      int
		reason      string
		detail      string
	}{
		{"nothing to watch", "", nil, 400, "REQUEST_INVALID", "set key, or set prefix"},
		{"a key and a prefix", "?key=a&prefix=a", nil, 400, "REQUEST_INVALID", "Both key and prefix"},
		{"an empty key", "?key=", nil, 400, "KEY_INVALID", "Empty key"},
		{"a key that is not UTF-8", "?key=%FF", nil, 400, "KEY_INVALID", "key"},
		{"a prefix that no key can have", "?prefix=%00", nil, 400, "KEY_INVALID", "prefix"},
		{"a snapshot that is not a boolean", "?prefix=&snapshot=maybe", nil, 400, "REQUEST_INVALID", `"maybe"`},
		{"a snapshot and a resume token", "?prefix=&snapshot=true&resumeToken=1-1", nil, 400, "REQUEST_INVALID", "snapshot"},
		{"a forged token", "?prefix=&resumeToken=nonsense", nil, 400, "REQUEST_INVALID", "resume_token"},
		{"a forged id", "?prefix=", []string{"Last-Event-ID: nonsense"}, 400, "REQUEST_INVALID", "resume_token"},
		{"a forged id in the query", "?prefix=&lastEventId=nonsense", nil, 400, "REQUEST_INVALID", "resume_token"},
		{"an id that is not UTF-8", "?prefix=", []string{"Last-Event-ID: \xff"}, 400, "REQUEST_INVALID", "Last-Event-ID"},
		{"an id from before the store was restarted", "?prefix=", []string{"Last-Event-ID: 1-1-ab1c0c60"}, 410, "RESUME_TOO_OLD", "snapshot"},
		{"an unknown parameter", "?prefix=&since=1", nil, 400, "REQUEST_INVALID", "resumeToken"},
		{"JSON", "?prefix=", []string{"Accept: application/json"}, 406, "NOT_ACCEPTABLE", "text/event-stream"},
		{"anything but events", "?prefix=", []string{"Accept: */*, text/event-stream;q=0"}, 406, "NOT_ACCEPTABLE", ""},
	}
	exchanges := make([]exchange, 0, len(rows))
	for _, row := range rows {
		exchanges = append(exchanges, exchange{
			name: row.name, request: "GET /v1/values:watch" + row.query, header: row.header,
			status: row.status, reason: row.reason, detail: row.detail,
		})
	}
	runReal(t, exchanges)
}

// An event can be larger than any buffer.
func TestWatchOfLargeValues(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, kv client, c *http.Client, watch string) {
		s := listen(t, c, watch+"?prefix=big")
		s.want(t, synced)
		for i := range 6 { // all of them fit into the history
			mustSet(t, kv, valueOf(fmt.Sprint("big", i), strings.Repeat("x", 1<<20)))
		}
		for i := range 6 {
			e, err := s.next()
			if err != nil || len(e.data) < 1<<20 || !strings.HasPrefix(e.data, fmt.Sprintf(`{"key":"big%d"`, i)) {
				t.Fatalf("event %d has %d bytes, %v; want them all: %.300s", i, len(e.data), err, e.data)
			}
		}
	})
}
