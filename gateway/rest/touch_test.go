package rest_test

import "testing"

func TestTouch(t *testing.T) {
	t.Parallel()
	const patch = "PATCH /v1/values/"
	js := []string{"Content-Type: application/json"}
	runReal(t, []exchange{
		{
			name: "a TTL sets when the entry expires", request: patch + "hello", header: js, body: `{"ttl":"5m"}`,
			status: 200, answer: `{"key":"hello","expireTime":"<time>","ttl":"<ttl>"}` + "\n",
		},
		{
			name: "null removes the TTL", request: patch + "soon", header: js, body: `{"ttl":null}`,
			status: 200, answer: `{"key":"soon"}` + "\n",
		},
		{
			name: "null without a TTL changes nothing else", request: patch + "hello", header: js, body: `{"ttl":null}`,
			status: 200, answer: `{"key":"hello"}` + "\n",
		},
		{
			name: "a merge patch is accepted", request: patch + "soon", body: `{"ttl":null}`,
			header: []string{"Content-Type: application/merge-patch+json"}, status: 200,
		},
		{
			name: "a missing key is 404", request: patch + "nope", header: js, body: `{"ttl":"5m"}`,
			status: 404, reason: "KEY_NOT_FOUND",
		},
		{
			name: "a missing key is 412 with If-Match", request: patch + "nope", header: append(js, "If-Match: *"),
			body: `{"ttl":"5m"}`, status: 412, reason: "KEY_ABSENT",
		},
		{
			name: "the error for a missing ttl shows both forms", request: patch + "hello", header: js, body: `{}`,
			status: 400, reason: "REQUEST_INVALID", detail: `"ttl":null`,
		},
		{
			name: "no body at all", request: patch + "hello", status: 400, reason: "REQUEST_INVALID", detail: "byte 0",
		},
		{
			name: "null as a whole", request: patch + "hello", header: js, body: `null`,
			status: 400, reason: "REQUEST_INVALID", detail: "Missing ttl",
		},
		{
			name: "a number of seconds", request: patch + "hello", header: js, body: `{"ttl":300}`,
			status: 400, reason: "REQUEST_INVALID", detail: `field /ttl: unexpected number 300: want a string with a unit, such as "300s"`,
		},
		{
			name: "not a duration", request: patch + "hello", header: js, body: `{"ttl":"soon"}`,
			status: 400, reason: "TTL_INVALID", detail: `"soon"`,
		},
		{
			name: "zero", request: patch + "hello", header: js, body: `{"ttl":"0s"}`, status: 400, reason: "TTL_INVALID",
		},
		{
			name: "over ten years", request: patch + "hello", header: js, body: `{"ttl":"87601h"}`, status: 400, reason: "TTL_INVALID",
		},
		{
			name: "another member", request: patch + "hello", header: js, body: `{"ttl":"5m","value":"v"}`,
			status: 400, reason: "REQUEST_INVALID", detail: "/value",
		},
		{
			name: "the TTL cannot be in the query", request: patch + "hello?ttl=5m", header: js, body: `{}`,
			status: 400, reason: "REQUEST_INVALID", detail: `"ttl"`,
		},
		{
			name: "text is not a patch", request: patch + "hello", header: []string{"Content-Type: text/plain"}, body: "5m",
			status: 415, reason: "MEDIA_TYPE_UNSUPPORTED",
			wants: []string{"Accept-Patch: application/json, application/merge-patch+json"},
		},
	})
}

func TestTouchKeepsTheValueAndChangesTheETag(t *testing.T) {
	t.Parallel()
	addr := startReal(t)
	before := send(t, addr, exchange{request: "GET /v1/values/hello"})
	touch := send(t, addr, exchange{request: "PATCH /v1/values/hello", body: `{"ttl":"1h"}`})
	after := send(t, addr, exchange{request: "GET /v1/values/hello"})
	if want := `{"key":"hello","value":"world","expireTime":"<time>","ttl":"<ttl>"}` + "\n"; masked(after.text) != want {
		t.Errorf("GET after PATCH = %s, want %s", after.text, want)
	}
	if before.Header.Get("ETag") == after.Header.Get("ETag") || touch.Header.Get("ETag") != after.Header.Get("ETag") {
		t.Errorf("ETag before %s, of the PATCH %s, after %s; want a new one, which the PATCH tells",
			before.Header.Get("ETag"), touch.Header.Get("ETag"), after.Header.Get("ETag"))
	}
}
