package rest_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"key-value/gateway/rest"
)

func TestPutEntry(t *testing.T) {
	t.Parallel()
	const put = "PUT /v1/values"
	js := []string{"Content-Type: application/json"}
	run(t, []exchange{
		{
			name: "a new key is 200", request: put, header: js, body: `{"key":"new","value":"v"}`,
			status: 200, answer: `{"key":"new","value":"v"}` + "\n", wants: []string{`ETag: "e5"`, "Location: "},
		},
		{
			name: "an existing key is 200", request: put, header: js, body: `{"key":"hello","value":""}`,
			status: 200, answer: `{"key":"hello","value":""}` + "\n",
		},
		{
			name: "JSON needs no content type here", request: put, body: `{"key":"new","value":"v"}`,
			status: 200, answer: `{"key":"new","value":"v"}` + "\n",
		},
		{
			name: "a TTL sets when the entry expires", request: put, header: js,
			body: `{"key":"new","value":"v","ttl":"90s"}`, status: 200,
			answer: `{"key":"new","value":"v","expireTime":"2026-01-02T03:05:35.5Z"}` + "\n",
		},
		{
			name: "data is bytes in base64", request: put, header: js, body: `{"key":"new","data":"/wA="}`,
			status: 200, answer: `{"key":"new","data":"/wA="}` + "\n",
		},
		{
			name: "data that is text is returned as text", request: put, header: js, body: `{"key":"new","data":"aGk="}`,
			status: 200, answer: `{"key":"new","value":"hi"}` + "\n",
		},
		{
			name: "a body without a key is invalid", request: put, header: js, body: `{"value":"v"}`,
			status: 400, reason: "KEY_INVALID",
		},
		{
			name: "the TTL can be in the query", request: put + "?ttl=90s", header: js, body: `{"key":"new","value":"v"}`,
			status: 200, answer: `{"key":"new","value":"v","expireTime":"2026-01-02T03:05:35.5Z"}` + "\n",
		},
		{
			name: "only JSON can contain the key", request: put, header: []string{"Content-Type: text/plain"}, body: "v",
			status: 415, reason: "MEDIA_TYPE_UNSUPPORTED", wants: []string{"Accept: application/json"},
		},
		{
			name: "the error for a form shows the header to add", request: put,
			header: []string{"Content-Type: application/x-www-form-urlencoded"}, body: `{"key":"a","value":"v"}`,
			status: 415, reason: "MEDIA_TYPE_UNSUPPORTED", detail: "-H 'Content-Type: application/json'",
		},
		{
			name: "a condition is evaluated", request: put, header: []string{"If-None-Match: *"}, body: `{"key":"hello","value":"v"}`,
			status: 412, reason: "KEY_EXISTS",
		},
	})
}

func TestPutValue(t *testing.T) {
	t.Parallel()
	text, js := []string{"Content-Type: text/plain"}, []string{"Content-Type: application/json"}
	run(t, []exchange{
		{
			name: "a new key is 201 with its location", request: "PUT /v1/values/new", header: text, body: "v",
			status: 201, answer: `{"key":"new","value":"v"}` + "\n", wants: []string{`ETag: "e5"`, "Location: /v1/values/new"},
		},
		{
			name: "an existing key is 200", request: "PUT /v1/values/hello", header: text, body: "v",
			status: 200, answer: `{"key":"hello","value":"v"}` + "\n", wants: []string{`ETag: "e5"`, "Location: "},
		},
		{
			name: "curl -T sends no content type", request: "PUT /v1/values/new", body: "v",
			status: 201, answer: `{"key":"new","value":"v"}` + "\n",
		},
		{
			name: "no body is an empty value", request: "PUT /v1/values/new",
			status: 201, answer: `{"key":"new","value":""}` + "\n",
		},
		{
			name: "text with the charset UTF-8", request: "PUT /v1/values/new",
			header: []string{`Content-Type: Text/Plain; Charset="UTF-8"`}, body: "é",
			status: 201, answer: `{"key":"new","value":"é"}` + "\n",
		},
		{
			name: "bytes are returned in base64", request: "PUT /v1/values/new",
			header: []string{"Content-Type: application/octet-stream"}, body: "\xff\x00",
			status: 201, answer: `{"key":"new","data":"/wA="}` + "\n",
		},
		{
			name: "JSON in a raw body is the value", request: "PUT /v1/values/new", header: text, body: `{"value":"v"}`,
			status: 201, answer: `{"key":"new","value":"{\"value\":\"v\"}"}` + "\n",
		},
		{
			name: "JSON has the value and a TTL", request: "PUT /v1/values/new", header: js, body: `{"value":"v","ttl":"1m"}`,
			status: 201, answer: `{"key":"new","value":"v","expireTime":"2026-01-02T03:05:05.5Z"}` + "\n",
		},
		{
			name: "the TTL of a raw body is in the query", request: "PUT /v1/values/new?ttl=1m", header: text, body: "v",
			status: 201, answer: `{"key":"new","value":"v","expireTime":"2026-01-02T03:05:05.5Z"}` + "\n",
		},
		{
			name: "the TTL of JSON can be in the query", request: "PUT /v1/values/new?ttl=1m", header: js, body: `{"value":"v"}`,
			status: 201, answer: `{"key":"new","value":"v","expireTime":"2026-01-02T03:05:05.5Z"}` + "\n",
		},
		{
			name: "a write without TTL removes the old one", request: "PUT /v1/values/soon", header: text, body: "v",
			status: 200, answer: `{"key":"soon","value":"v"}` + "\n",
		},
		{
			name: "a part of a value is rejected", request: "PUT /v1/values/hello",
			header: []string{"Content-Range: bytes 2-3/4"}, body: "v",
			status: 400, reason: "REQUEST_INVALID", detail: "Content-Range",
		},
		{
			name: "only the path contains the key", request: "PUT /v1/values/new", header: js, body: `{"key":"a","value":"v"}`,
			status: 400, reason: "REQUEST_INVALID", detail: "/key",
		},
	})
}

func TestTTL(t *testing.T) {
	t.Parallel()
	const put = "PUT /v1/values/new?ttl="
	run(t, []exchange{
		{name: "zero", request: put + "0s", status: 400, reason: "TTL_INVALID"},
		{name: "negative", request: put + "-5s", status: 400, reason: "TTL_INVALID"},
		{name: "over ten years", request: put + "87601h", status: 400, reason: "TTL_INVALID"},
		{name: "ten years", request: put + "87600h", status: 201},
		{name: "a nanosecond", request: put + "1ns", status: 201},
		{name: "several units", request: put + "1h30m", status: 201},
		{name: "more than an int64 holds", request: put + "9999999999h", status: 400, reason: "TTL_INVALID", detail: `"90s"`},
		{name: "a sum that overflows", request: put + "2562047h47m16.854775808s", status: 400, reason: "TTL_INVALID"},
		{name: "no unit", request: put + "90", status: 400, reason: "TTL_INVALID", detail: `"90s"`},
		{name: "an unknown unit", request: put + "1d", status: 400, reason: "TTL_INVALID", detail: `"1d"`},
		{name: "empty", request: put, status: 400, reason: "TTL_INVALID"},
		{name: "given twice", request: put + "1s&ttl=1s", status: 400, reason: "REQUEST_INVALID", detail: "2 times"},
		{
			name: "given in the query and in the body", request: put + "1s",
			header: []string{"Content-Type: application/json"}, body: `{"value":"v","ttl":"1s"}`,
			status: 400, reason: "REQUEST_INVALID", detail: "Both the query and the body",
		},
		{
			name: "malformed in the body", request: "PUT /v1/values/new", header: []string{"Content-Type: application/json"},
			body: `{"value":"v","ttl":"soon"}`, status: 400, reason: "TTL_INVALID", detail: `"soon"`,
		},
	})
}

func TestLocationLeadsToTheEntry(t *testing.T) {
	t.Parallel()
	for _, path := range []string{
		"plain", "a/b", "a%2Fb", "a//b/", "%20%25%3F%23", "caf%C3%A9", "%5B%5D%22%3C", "a;b=c:d@e",
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			addr := start(t, newFake(), rest.Config{})
			put := send(t, addr, exchange{request: "PUT /v1/values/" + path, body: "v"})
			res, err := http.Get("http://" + addr + put.Header.Get("Location"))
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if body, _ := io.ReadAll(res.Body); string(body) != put.text {
				t.Errorf("GET %s = %q, want %q", put.Header.Get("Location"), body, put.text)
			}
		})
	}
}

// A proxy serves the store below /kv/, which it removes.
func TestReferencesLeadThroughAProxy(t *testing.T) {
	t.Parallel()
	for _, header := range []string{
		"X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: kv.example.com", "X-Forwarded-Prefix: /kv",
		"Forwarded: for=192.0.2.1", "Via: 1.1 proxy",
	} {
		for _, path := range []string{"plain", "a/b", "a%2Fb", "a//b/", "/a", "%20%25%3F%23", "a;b=c:d@e", "a:b"} {
			addr := start(t, newFake(), rest.Config{})
			put := send(t, addr, exchange{request: "PUT /v1/values/" + path, body: "v", header: []string{header}})
			here, err := url.Parse("https://kv.example.com/kv/v1/values/" + path)
			if err != nil {
				t.Fatal(err)
			}
			there, err := here.Parse(put.Header.Get("Location"))
			if err != nil || !strings.HasPrefix(there.EscapedPath(), "/kv/") {
				t.Fatalf("with %s: Location: %s leads from %s to %v, %v", header, put.Header.Get("Location"), here, there, err)
			}
			got := send(t, addr, exchange{request: "GET " + strings.TrimPrefix(there.EscapedPath(), "/kv")})
			if got.text != put.text {
				t.Errorf("with %s: GET %s = %q, want %q", header, there, got.text, put.text)
			}
		}
	}
}

func TestRejectedWriteChangesNothing(t *testing.T) {
	t.Parallel()
	f := newFake()
	addr := start(t, f, rest.Config{MaxValueBytes: 10})
	for _, e := range []exchange{
		{request: "PUT /v1/values/hello", body: strings.Repeat("x", 11)},
		{request: "PUT /v1/values/hello?ttl=x", body: "v"},
		{request: "PUT /v1/values/hello", header: []string{"Content-Type: application/json"}, body: `{"value":"v"`},
		{request: "PUT /v1/values/hello", header: []string{"If-Match: e1"}, body: "v"},
		{request: "DELETE /v1/values/hello", header: []string{"If-Match: e1"}},
	} {
		if got := send(t, addr, e); got.StatusCode < 400 {
			t.Errorf("%s = %d, want a refusal", e.request, got.StatusCode)
		}
	}
	if got := f.contents()["hello"]; got != "world" {
		t.Errorf("the value is now %q, want the old one", got)
	}
}

// TestAValueOutlivesItsBody shows that nothing of an entry refers to the body that it came in, whose buffer is used for the
// next request.
func TestAValueOutlivesItsBody(t *testing.T) {
	t.Parallel()
	f := newFake()
	handler := rest.New(f, rest.Config{})
	for _, put := range []struct{ path, media, body string }{
		{"/v1/values", "application/json", `{"key":"text-1","value":"first value","ttl":"90s"}`},
		{"/v1/values", "application/json", `{"key":"data-1","data":"/wECAw=="}`},
		{"/v1/values/raw-1", "application/octet-stream", "\xff\x01\x02\x03"},
		{"/v1/values", "application/json", `{"key":"text-2","value":"other value","ttl":"10s"}`},
		{"/v1/values", "application/json", `{"key":"data-2","data":"/gAAAA=="}`},
		{"/v1/values/raw-2", "application/octet-stream", "\xfe\x00\x00\x00"},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPut, put.path, strings.NewReader(put.body))
		r.Header.Set("Content-Type", put.media)
		if handler.ServeHTTP(w, r); w.Code >= 300 {
			t.Fatalf("PUT %s %s = %d %s", put.path, put.body, w.Code, w.Body)
		}
	}
	contents := f.contents()
	for key, want := range map[string]string{
		"text-1": "first value", "data-1": "\xff\x01\x02\x03", "raw-1": "\xff\x01\x02\x03",
		"text-2": "other value", "data-2": "\xfe\x00\x00\x00", "raw-2": "\xfe\x00\x00\x00",
	} {
		if got := contents[key]; got != want {
			t.Errorf("%s = %q after later requests, want %q", key, got, want)
		}
	}
}
