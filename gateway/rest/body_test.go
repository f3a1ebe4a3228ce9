package rest_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"key-value/gateway/rest"
	"key-value/internal/contract"
)

func TestJSONBody(t *testing.T) {
	t.Parallel()
	rows := []struct{ name, body, reason, detail string }{
		{"truncated", `{"value":"v"`, "REQUEST_INVALID", "byte 12"},
		{"empty", ` `, "REQUEST_INVALID", "byte 1"},
		{"trailing garbage", `{"value":"v"} x`, "REQUEST_INVALID", "byte 14"},
		{"a second document", `{"value":"v"}{}`, "REQUEST_INVALID", "byte 13"},
		{"a trailing comma", `{"value":"v",}`, "REQUEST_INVALID", "byte 12"},
		{"an unknown member", `{"value":"v","x":1}`, "REQUEST_INVALID", "field /x: unknown"},
		{"a member in another case", `{"Value":"v"}`, "REQUEST_INVALID", "field /Value: unknown"},
		{"a member twice", `{"value":"v","value":"w"}`, "REQUEST_INVALID", "byte 13, field /value: duplicate"},
		{"a number as value", `{"value":1}`, "REQUEST_INVALID", "byte 9, field /value: unexpected number"},
		{"a boolean as value", `{"value":true}`, "REQUEST_INVALID", "unexpected boolean"},
		{"an object as value", `{"value":{}}`, "REQUEST_INVALID", "unexpected object"},
		{"an array as data", `{"data":[1]}`, "REQUEST_INVALID", "unexpected array"},
		{"a number as TTL", `{"value":"v","ttl":60}`, "REQUEST_INVALID", `field /ttl: unexpected number 60: want a string with a unit, such as "60s"`},
		{"a fraction as TTL", `{"value":"v","ttl":1.5}`, "REQUEST_INVALID", `such as "1.5s"`},
		{"a TTL without a unit", `{"value":"v","ttl":"60"}`, "TTL_INVALID", `Invalid ttl "60": want a duration with a unit, such as "60s"`},
		{"a byte-order mark", "\xef\xbb\xbf{\"value\":\"v\"}", "REQUEST_INVALID", "begins with a byte-order mark: want UTF-8 without one"},
		{"UTF-16", "\xff\xfe{\x00}\x00", "REQUEST_INVALID", "the text is UTF-16: want UTF-8"},
		{"an array as a whole", `[]`, "REQUEST_INVALID", "byte 0: unexpected array"},
		{"data that is not base64", `{"data":"*"}`, "REQUEST_INVALID", "field /data: illegal base64"},
		{"bytes that are not UTF-8", "{\"value\":\"\xff\"}", "REQUEST_INVALID", "field /value: invalid UTF-8"},
		{"a lone surrogate", `{"value":"\ud800"}`, "REQUEST_INVALID", "field /value: invalid surrogate"},
		{"a raw control character", "{\"value\":\"\x01\"}", "REQUEST_INVALID", "field /value"},
		{"value and data", `{"value":"v","data":"dg=="}`, "REQUEST_INVALID", "Both value and data"},
		{"neither value nor data", `{"ttl":"5m"}`, "VALUE_INVALID", "neither"},
		{"a value that is null", `{"value":null}`, "VALUE_INVALID", "neither"},
		{"null as a whole", `null`, "VALUE_INVALID", "neither"},
	}
	exchanges := make([]exchange, 0, len(rows))
	for _, row := range rows {
		exchanges = append(exchanges, exchange{
			name: row.name, request: "PUT /v1/values/new", header: []string{"Content-Type: application/json"},
			body: row.body, status: 400, reason: row.reason, detail: row.detail,
		})
	}
	run(t, exchanges)
}

func TestMediaType(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name   string
		header []string
		detail string
	}{
		{
			"a form, curl's default", []string{"Content-Type: application/x-www-form-urlencoded"},
			"-H 'Content-Type: text/plain'",
		},
		{"a form with files", []string{"Content-Type: multipart/form-data; boundary=x"}, "-H 'Content-Type: text/plain'"},
		{"a picture", []string{"Content-Type: image/png"}, "image/png"},
		{"HTML", []string{"Content-Type: text/html"}, "text/html"},
		{"text in another charset", []string{"Content-Type: text/plain; charset=latin1"}, "UTF-8"},
		{"JSON in another charset", []string{"Content-Type: application/json; charset=utf-16"}, "UTF-8"},
		{"a malformed type", []string{"Content-Type: text/plain; x"}, "text/plain"},
		{"two types", []string{"Content-Type: text/plain", "Content-Type: application/json"}, "application/json"},
		{"a gzipped body", []string{"Content-Encoding: gzip"}, `"gzip"`},
		{"an unknown encoding", []string{"Content-Encoding: identity", "Content-Encoding: x"}, `"identity, x"`},
	}
	exchanges := make([]exchange, 0, len(rows))
	for _, row := range rows {
		exchanges = append(exchanges, exchange{
			name: row.name, request: "PUT /v1/values/new", header: row.header, body: "v",
			status: 415, reason: "MEDIA_TYPE_UNSUPPORTED", detail: row.detail,
		})
	}
	run(t, append(exchanges,
		exchange{
			name: "the response lists the supported encodings", request: "PUT /v1/values/new", header: []string{"Content-Encoding: br"},
			body: "v", status: 415, reason: "MEDIA_TYPE_UNSUPPORTED", wants: []string{"Accept-Encoding: identity"},
		},
		exchange{
			name: "identity is not an encoding", request: "PUT /v1/values/new", header: []string{"Content-Encoding: Identity"},
			body: "v", status: 201,
		},
	))
}

func TestBodySize(t *testing.T) {
	t.Parallel()
	js := []string{"Content-Type: application/json"}
	chunked := []string{"Transfer-Encoding: chunked"}
	escaped := strings.Repeat(`\u0061`, 1000)
	run(t, []exchange{
		{name: "the longest raw value", request: "PUT /v1/values/new", body: strings.Repeat("x", 1000), status: 201},
		{
			name: "a raw value that is one byte too long", request: "PUT /v1/values/new", body: strings.Repeat("x", 1001),
			status: 413, reason: "VALUE_TOO_LARGE", detail: "1000",
		},
		{
			name: "a raw value that is too long, in chunks", request: "PUT /v1/values/new", header: chunked,
			body: fmt.Sprintf("3e9\r\n%s\r\n0\r\n\r\n", strings.Repeat("x", 1001)), status: 413, reason: "VALUE_TOO_LARGE",
		},
		{
			name: "a value in chunks", request: "PUT /v1/values/new", header: chunked, body: "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n",
			status: 201, answer: `{"key":"new","value":"abc"}` + "\n",
		},
		{
			name: "the longest value with every byte escaped", request: "PUT /v1/values/new", header: js,
			body: `{"value":"` + escaped + `"}`, status: 201,
		},
		{
			name: "JSON that is too long", request: "PUT /v1/values", header: js,
			body: strings.Repeat(" ", contract.MaxRequestBytes(1000)+1), status: 413, reason: "VALUE_TOO_LARGE",
		},
		{
			name: "malformed chunks", request: "PUT /v1/values/new", header: chunked, body: "zz\r\n",
			status: 400, reason: "REQUEST_INVALID", detail: "after 0 bytes",
		},
	})
}

// A body whose Content-Length is too large is rejected before any of it is sent.
func TestBodyIsRejectedUnread(t *testing.T) {
	t.Parallel()
	conn, err := net.Dial("tcp", start(t, newFake(), rest.Config{}))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "PUT /v1/values/new HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2147483648\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("PUT of 2 GiB = %d, want 413 and no 100", res.StatusCode)
	}
}

func TestABodyThatIsTooSlowIs408(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodPut, "/v1/values/new", iotest.ErrReader(os.ErrDeadlineExceeded))
	r.Header.Set("Content-Type", "text/plain")
	w := httptest.NewRecorder()
	rest.New(newFake(), rest.Config{}).ServeHTTP(w, r)
	if w.Code != http.StatusRequestTimeout || !strings.Contains(w.Body.String(), `"reason":"DEADLINE_EXCEEDED"`) {
		t.Errorf("a body whose deadline passes got %d %s, want 408 with DEADLINE_EXCEEDED", w.Code, w.Body)
	}
	if got := w.Header().Get("Connection"); got != "close" {
		t.Errorf("Connection = %q, want close", got)
	}
}
