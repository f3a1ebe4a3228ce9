package rest_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	keyvaluev1 "key-value/gen/keyvalue/v1"

	"key-value/gateway/rest"
)

const (
	match      = "If-Match: "
	noneMatch  = "If-None-Match: "
	unmodified = "If-Unmodified-Since: "
	modified   = "If-Modified-Since: "
)

// Dates of seconds around [epoch].
const (
	secondBefore = "Fri, 02 Jan 2026 03:04:04 GMT"
	sameSecond   = "Fri, 02 Jan 2026 03:04:05 GMT"
	secondAfter  = "Fri, 02 Jan 2026 03:04:06 GMT"
)

func TestConditionalRead(t *testing.T) {
	t.Parallel()
	const get = "GET /v1/values/hello"
	run(t, []exchange{
		{
			name: "the current version is 304 without a body", request: get, header: []string{noneMatch + `"e1"`}, status: 304,
			wants: []string{
				`ETag: "e1"`, "Cache-Control: no-store", "Vary: Accept, X-Api-Key, Authorization", "Content-Type: ",
			},
		},
		{name: "HEAD is 304 too", request: "HEAD /v1/values/hello", header: []string{noneMatch + `"e1"`}, status: 304},
		{name: "weak tags match If-None-Match", request: get, header: []string{noneMatch + `W/"e1"`}, status: 304},
		{name: "one of a list", request: get, header: []string{noneMatch + `"x", "e1"`}, status: 304},
		{name: "one of several lines", request: get, header: []string{noneMatch + `"x"`, noneMatch + `"e1"`}, status: 304},
		{name: "empty elements are ignored", request: get, header: []string{noneMatch + `,, "x" ,,"e1",`}, status: 304},
		{name: "a comma inside a tag", request: get, header: []string{noneMatch + `"x,y", "e1"`}, status: 304},
		{name: "any version", request: get, header: []string{noneMatch + "*"}, status: 304},
		{name: "another version", request: get, header: []string{noneMatch + `"e9"`}, status: 200},
		{name: "an empty tag", request: get, header: []string{noneMatch + `""`}, status: 200},
		{name: "If-Match of this version", request: get, header: []string{match + `"e1"`}, status: 200},
		{name: "If-Match of any version", request: get, header: []string{match + "*"}, status: 200},
		{
			name: "If-Match of another version", request: get, header: []string{match + `"e9"`},
			status: 412, reason: "ETAG_MISMATCH",
		},
		{
			name: "weak tags never match If-Match", request: get, header: []string{match + `W/"e1"`},
			status: 412, reason: "ETAG_MISMATCH",
		},
		{
			name: "If-Match is evaluated first", request: get, header: []string{noneMatch + `"e1"`, match + `"e9"`},
			status: 412, reason: "ETAG_MISMATCH",
		},
		{name: "both headers hold and it is 304", request: get, header: []string{noneMatch + `"e1"`, match + `"e1"`}, status: 304},
		{
			name: "a missing key is 404 before conditions", request: "GET /v1/values/nope", header: []string{match + `"e1"`},
			status: 404, reason: "KEY_NOT_FOUND",
		},
		{
			name: "406 comes before 304", request: get, header: []string{noneMatch + `"e1"`, "Accept: text/html"},
			status: 406, reason: "NOT_ACCEPTABLE",
		},
	})
}

// The etag names the version, whatever the format of the response.
func TestEveryFormatHasTheSameETag(t *testing.T) {
	t.Parallel()
	const get = "GET /v1/values/hello"
	for _, accept := range []string{"application/json", "text/plain", "application/octet-stream"} {
		run(t, []exchange{
			{name: accept, request: get, header: []string{"Accept: " + accept}, status: 200, wants: []string{`ETag: "e1"`}},
			{name: accept + " that is held", request: get, header: []string{"Accept: " + accept, noneMatch + `"e1"`}, status: 304},
		})
	}
}

func TestConditionalWrite(t *testing.T) {
	t.Parallel()
	const mismatch, exists, absent = "ETAG_MISMATCH", "KEY_EXISTS", "KEY_ABSENT"
	rows := []struct {
		name   string
		key    string
		header []string
		reason string // empty: the write succeeds
	}{
		{"If-Match of this version", "hello", []string{match + `"e1"`}, ""},
		{"If-Match of another version", "hello", []string{match + `"e9"`}, mismatch},
		{"If-Match of a weak tag", "hello", []string{match + `W/"e1"`}, mismatch},
		{"If-Match of a list with this version", "hello", []string{match + `"e9", "e1"`}, ""},
		{"If-Match of a list in two lines", "hello", []string{match + `"e9"`, match + `"e1"`}, ""},
		{"If-Match of a list without this version", "hello", []string{match + `"e9", W/"e1"`}, mismatch},
		{"If-Match of any version", "hello", []string{match + "*"}, ""},
		{"If-Match of a version of a missing key", "nope", []string{match + `"e1"`}, mismatch},
		{"If-Match of a list of versions of a missing key", "nope", []string{match + `"e1", "e2"`}, mismatch},
		{"If-Match of any version of a missing key", "nope", []string{match + "*"}, absent},
		{"If-None-Match of any version", "hello", []string{noneMatch + "*"}, exists},
		{"If-None-Match of any version of a missing key", "nope", []string{noneMatch + "*"}, ""},
		{"If-None-Match of this version", "hello", []string{noneMatch + `"e1"`}, mismatch},
		{"If-None-Match of this version, weakly", "hello", []string{noneMatch + `W/"e1"`}, mismatch},
		{"If-None-Match of another version", "hello", []string{noneMatch + `"e9"`}, ""},
		{"If-None-Match of a version of a missing key", "nope", []string{noneMatch + `"e1"`}, ""},
		{"both, and both hold", "hello", []string{match + `"e1"`, noneMatch + `"e9"`}, ""},
		{"both, and If-Match fails", "hello", []string{match + `"e9"`, noneMatch + `"e8"`}, mismatch},
		{"both, and If-None-Match fails", "hello", []string{match + "*", noneMatch + `"e1"`}, mismatch},
		{"both of any version", "hello", []string{match + "*", noneMatch + "*"}, exists},
		{"both of any version of a missing key", "nope", []string{match + "*", noneMatch + "*"}, absent},
		{"unmodified since the next second", "hello", []string{unmodified + secondAfter}, ""},
		{"unmodified since its own second, which may have had an earlier version", "hello", []string{unmodified + sameSecond}, mismatch},
		{"modified since the date", "hello", []string{unmodified + secondBefore}, mismatch},
		{"a missing key, which may have been deleted since", "nope", []string{unmodified + secondAfter}, absent},
		{"unmodified since an older format of a date", "hello", []string{unmodified + "Friday, 02-Jan-26 03:04:06 GMT"}, ""},
		{"If-Match comes before a date", "hello", []string{unmodified + secondBefore, match + `"e1"`}, ""},
		{"If-Match comes before what is no date", "hello", []string{unmodified + "0", match + `"e1"`}, ""},
		{"If-Match fails, and the date would not", "hello", []string{unmodified + secondAfter, match + `"e9"`}, mismatch},
		{"the date holds, and If-None-Match fails", "hello", []string{unmodified + secondAfter, noneMatch + "*"}, exists},
		{"the date fails, and If-None-Match holds", "hello", []string{unmodified + secondBefore, noneMatch + `"e9"`}, mismatch},
		{"If-Modified-Since is only for reads", "hello", []string{modified + secondAfter}, ""},
	}
	var exchanges []exchange
	for _, row := range rows {
		for _, method := range []string{http.MethodPut, http.MethodPatch, http.MethodDelete} {
			e := exchange{
				name: row.name + ", " + method, request: method + " /v1/values/" + row.key, header: row.header,
				body: bodyOf(method), status: writeStatus(method, row.key), reason: row.reason,
			}
			if row.reason != "" {
				e.status = http.StatusPreconditionFailed
			} else if e.status == http.StatusNotFound {
				e.reason = "KEY_NOT_FOUND"
			}
			exchanges = append(exchanges, e)
		}
	}
	run(t, exchanges)
}

// writeStatus returns the status of a write that succeeds.
func writeStatus(method, key string) int {
	switch {
	case method == http.MethodDelete:
		return http.StatusNoContent
	case key == "nope" && method == http.MethodPatch:
		return http.StatusNotFound
	case key == "nope":
		return http.StatusCreated
	}
	return http.StatusOK
}

func TestMalformedConditionIsNotIgnored(t *testing.T) {
	t.Parallel()
	values := []string{
		"", "e1", `"e1`, `e1"`, `"e1" "e2"`, `"e1", *`, `*, "e1"`, "*, *", "**", `w/"e1"`, `W/e1`, `W/ "e1"`,
		"'e1'", `"e 1"`, `"e1"x`, ",", ", ,",
	}
	var exchanges []exchange
	for _, method := range []string{"GET", "HEAD", "PUT", "PATCH", "DELETE"} {
		for _, header := range []string{match, noneMatch} {
			for _, value := range values {
				exchanges = append(exchanges, exchange{
					name: fmt.Sprintf("%s %s%q", method, header, value), request: method + " /v1/values/hello",
					header: []string{header + value}, body: bodyOf(method),
					status: 400, reason: "REQUEST_INVALID", detail: header,
				})
			}
		}
	}
	addr := start(t, newFake(), rest.Config{})
	for _, e := range exchanges {
		e.check(t, send(t, addr, e))
	}
}

func TestMalformedDateIsNotIgnoredByWrites(t *testing.T) {
	t.Parallel()
	addr := start(t, newFake(), rest.Config{})
	for _, header := range [][]string{
		{unmodified}, {unmodified + "yesterday"}, {unmodified + "0"}, {unmodified + "2026-01-02T03:04:06Z"},
		{unmodified + secondAfter + ", " + secondAfter}, {unmodified + secondAfter, unmodified + secondAfter},
	} {
		for _, method := range []string{"PUT", "PATCH", "DELETE"} {
			e := exchange{
				name: fmt.Sprint(method, header), request: method + " /v1/values/hello", header: header, body: bodyOf(method),
				status: 400, reason: "REQUEST_INVALID", detail: "If-Unmodified-Since: invalid date",
			}
			e.check(t, send(t, addr, e))
		}
		e := exchange{name: fmt.Sprint("GET", header), request: "GET /v1/values/hello", header: header, status: 200}
		e.check(t, send(t, addr, e))
	}
}

func TestRoutesWithoutConditionsRejectThem(t *testing.T) {
	t.Parallel()
	addr := start(t, newFake(), rest.Config{})
	for _, request := range []string{"POST /v1/values:batch", "POST /v1/values:increment", "DELETE /v1/values?prefix=h"} {
		for _, header := range []string{match + "*", noneMatch + "*", unmodified + secondAfter} {
			e := exchange{
				request: request, header: []string{header, "Content-Type: application/json"}, body: "{}",
				status: 400, reason: "REQUEST_INVALID", detail: "is not supported on this route",
			}
			e.check(t, send(t, addr, e))
		}
	}
}

// Of writers that all read the same version, one succeeds, even if the service has no precondition for their condition.
func TestOneOfManyConditionalWritersWins(t *testing.T) {
	t.Parallel()
	addr := start(t, newFake(), rest.Config{})
	statuses := make([]int, 16)
	var writers sync.WaitGroup
	for i := range statuses {
		writers.Go(func() {
			e := exchange{request: "PUT /v1/values/hello", header: []string{match + `"e1", "x"`}, body: "v"}
			statuses[i] = send(t, addr, e).StatusCode
		})
	}
	writers.Wait()
	count := map[int]int{}
	for _, status := range statuses {
		count[status]++
	}
	if count[200] != 1 || count[412] != len(statuses)-1 {
		t.Errorf("the statuses of the writers are %v, want one 200 and 412 for all others", count)
	}
}

func TestLostRaceIsRetried(t *testing.T) {
	t.Parallel()
	f := newFake()
	var once sync.Once
	f.beforeWrite = func() {
		once.Do(func() { f.put(valueOf("hello", "theirs")) })
	}
	e := exchange{request: "PUT /v1/values/hello", header: []string{noneMatch + `"x"`}, body: "ours", status: 200}
	e.check(t, send(t, start(t, f, rest.Config{}), e))
	if got := f.contents()["hello"]; got != "ours" {
		t.Errorf("the value is %q, want ours", got)
	}
}

func TestChangeBetweenReadAndWriteCounts(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.beforeWrite = func() { f.put(valueOf("hello", "theirs")) }
	e := exchange{
		request: "PUT /v1/values/hello", header: []string{match + `"e1", "x"`}, body: "ours",
		status: 412, reason: "ETAG_MISMATCH",
	}
	e.check(t, send(t, start(t, f, rest.Config{}), e))
	if got := f.contents()["hello"]; got != "theirs" {
		t.Errorf("the value is %q, want theirs", got)
	}
}

func TestWriteUnderADateIsPinnedToTheVersionThatItWasCheckedFor(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.beforeWrite = func() {
		f.put(valueOf("hello", "theirs"))
		f.mu.Lock()
		defer f.mu.Unlock()
		f.entries["hello"].UpdateTime = timestamppb.New(epoch.Add(time.Second))
	}
	addr := start(t, f, rest.Config{})
	for _, method := range []string{"PUT", "PATCH", "DELETE"} {
		e := exchange{
			request: method + " /v1/values/hello", header: []string{unmodified + secondAfter}, body: bodyOf(method),
			status: 412, reason: "ETAG_MISMATCH", detail: "If-Unmodified-Since",
		}
		e.check(t, send(t, addr, e))
		f.put(valueOf("hello", "world"))
	}
}

func TestRetriesOfLostRacesAreBounded(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.beforeWrite = func() { f.put(valueOf("hello", "theirs")) }
	e := exchange{
		request: "DELETE /v1/values/hello", header: []string{noneMatch + `"x"`},
		status: 503, reason: "OVERLOADED", detail: "nothing was written", wants: []string{"Retry-After: 1"},
	}
	e.check(t, send(t, start(t, f, rest.Config{}), e))
	if got := f.contents()["hello"]; !strings.HasPrefix(got, "theirs") {
		t.Errorf("the value is %q, want theirs", got)
	}
}

func valueOf(key, value string) *keyvaluev1.SetRequest {
	return &keyvaluev1.SetRequest{Key: key, Content: &keyvaluev1.SetRequest_Value{Value: value}}
}
