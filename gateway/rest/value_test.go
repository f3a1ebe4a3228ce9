package rest_test

import (
	"net/http"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"key-value/gateway/rest"
)

func TestGet(t *testing.T) {
	t.Parallel()
	run(t, []exchange{
		{
			name: "text is returned as JSON with its etag", request: "GET /v1/values/hello",
			status: 200, answer: `{"key":"hello","value":"world"}` + "\n",
			wants: []string{
				"Content-Type: application/json", `ETag: "e1"`, "KV-Revision: 1", "Cache-Control: no-store",
				"Vary: Accept, X-Api-Key, Authorization", "Content-Length: 32",
			},
		},
		{
			name: "bytes are returned in base64", request: "GET /v1/values/bin",
			status: 200, answer: `{"key":"bin","data":"/wA="}` + "\n",
		},
		{
			name: "an entry with a TTL has its expiry", request: "GET /v1/values/soon",
			status: 200, answer: `{"key":"soon","value":"gone","expireTime":"2026-01-02T03:05:05.5Z"}` + "\n",
		},
		{name: "a missing key is 404", request: "GET /v1/values/nope", status: 404, reason: "KEY_NOT_FOUND"},
		{name: "an empty key is invalid", request: "GET /v1/values/", status: 400, reason: "KEY_INVALID"},
		{
			name: "an unknown query parameter is named", request: "GET /v1/values/hello?ttl=5m",
			status: 400, reason: "REQUEST_INVALID", detail: `"ttl"`,
		},
		{
			name: "a malformed query is rejected", request: "GET /v1/values/hello?a;b",
			status: 400, reason: "REQUEST_INVALID", detail: "query",
		},
		{name: "an empty query is ignored", request: "GET /v1/values/hello?", status: 200},
	})
}

// The entry was written at 03:04:05.5 of that day.
func TestDatesAreConditionsOfReadsWithoutEtags(t *testing.T) {
	t.Parallel()
	const before, date, after = secondBefore, sameSecond, secondAfter
	var all []exchange
	for _, test := range []struct {
		name   string
		header []string
		status int
	}{
		{"none", nil, 200},
		{"modified since", []string{"If-Modified-Since: " + before}, 200},
		{"not modified since its own second", []string{"If-Modified-Since: " + date}, 304},
		{"not modified since", []string{"If-Modified-Since: " + after}, 304},
		{"unmodified since its own second", []string{"If-Unmodified-Since: " + date}, 200},
		{"modified, but must not be", []string{"If-Unmodified-Since: " + before}, 412},
		{"If-None-Match comes first", []string{"If-Modified-Since: " + after, `If-None-Match: "other"`}, 200},
		{"If-Match comes first", []string{"If-Unmodified-Since: " + before, `If-Match: "e1"`}, 200},
		{"both hold", []string{"If-Unmodified-Since: " + after, "If-Modified-Since: " + after}, 304},
		{"no date", []string{"If-Modified-Since: yesterday", "If-Unmodified-Since: 0"}, 200},
		{"two dates", []string{"If-Modified-Since: " + after, "If-Modified-Since: " + after}, 200},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			e := exchange{name: method + " " + test.name, request: method + " /v1/values/hello", header: test.header, status: test.status}
			if test.status == 412 {
				e.reason = "ETAG_MISMATCH"
			} else {
				e.wants = []string{"Last-Modified: " + date}
			}
			all = append(all, e)
		}
	}
	run(t, all)
}

// The clock of the service may be ahead of the gateway's.
func TestLastModifiedIsNotLaterThanDate(t *testing.T) {
	t.Parallel()
	f := newFake()
	for _, ahead := range []time.Duration{0, time.Second, time.Hour} {
		f.mu.Lock()
		f.entries["hello"].UpdateTime = timestamppb.New(time.Now().Add(ahead))
		f.mu.Unlock()
		got := send(t, start(t, f, rest.Config{}), exchange{request: "GET /v1/values/hello"})
		last, err := http.ParseTime(got.Header.Get("Last-Modified"))
		if err != nil {
			t.Fatal(err)
		}
		date, err := http.ParseTime(got.Header.Get("Date"))
		if err != nil || last.After(date) {
			t.Errorf("Last-Modified is %v and Date %v, %v; want it to be no later", last, date, err)
		}
	}
}

func TestHead(t *testing.T) {
	t.Parallel()
	run(t, []exchange{
		{
			name: "it has the headers of GET and no body", request: "HEAD /v1/values/hello", status: 200,
			wants: []string{
				"Content-Type: application/json", `ETag: "e1"`, "KV-Revision: 1", "Cache-Control: no-store",
				"Vary: Accept, X-Api-Key, Authorization", "Content-Length: 32",
			},
		},
		{
			name: "the length is that of the raw value", request: "HEAD /v1/values/hello",
			header: []string{"Accept: text/plain"}, status: 200, wants: []string{"Content-Length: 5"},
		},
		{name: "a missing key is 404", request: "HEAD /v1/values/nope", status: 404, reason: "KEY_NOT_FOUND"},
	})
}

func TestDelete(t *testing.T) {
	t.Parallel()
	run(t, []exchange{
		{name: "a key that exists", request: "DELETE /v1/values/hello", status: 204, wants: []string{"KV-Revision: 5"}},
		{name: "a key that does not exist", request: "DELETE /v1/values/nope", status: 204, wants: []string{"KV-Revision: "}},
		{
			name: "an unknown query parameter is named", request: "DELETE /v1/values/hello?force=1",
			status: 400, reason: "REQUEST_INVALID", detail: `"force"`,
		},
		{name: "an invalid key", request: "DELETE /v1/values/..", status: 400, reason: "KEY_INVALID"},
	})
}

func TestDeletedKeyIsGone(t *testing.T) {
	t.Parallel()
	f := newFake()
	addr := start(t, f, rest.Config{})
	send(t, addr, exchange{request: "DELETE /v1/values/hello"})
	if res := send(t, addr, exchange{request: "GET /v1/values/hello"}); res.StatusCode != http.StatusNotFound {
		t.Errorf("GET after DELETE = %d, want 404", res.StatusCode)
	}
}
