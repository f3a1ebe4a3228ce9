package rest_test

import "testing"

func TestAccept(t *testing.T) {
	t.Parallel()
	const (
		js    = "application/json"
		text  = "text/plain; charset=utf-8"
		bytes = "application/octet-stream"
	)
	rows := []struct{ name, key, accept, want string }{
		{"any type selects JSON", "hello", "*/*", js},
		{"JSON", "hello", "application/json", js},
		{"an empty header", "hello", "", js},
		{"a browser's default selects JSON", "page", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", js},
		{"text/plain selects the raw value", "hello", "text/plain", text},
		{"text/* selects the raw value", "hello", "text/*", text},
		{"HTML is returned as plain text", "page", "text/*", text},
		{"bytes select the raw value", "hello", "application/octet-stream", bytes},
		{"application/* selects JSON", "hello", "application/*", js},
		{"the higher weight wins", "hello", "application/json;q=0.5, text/plain;q=0.9", text},
		{"a weight with three decimals", "hello", "application/json;q=0.998, text/plain;q=0.999", text},
		{"weight zero excludes", "hello", "application/json;q=0, */*", text},
		{"weight zero leaves bytes for content that is not text", "bin", "application/json;q=0, */*", bytes},
		{"the most specific range applies", "hello", "*/*;q=1, application/json;q=0.1, text/*;q=0.2", bytes},
		{"a named type wins over a wildcard", "hello", "*/*, text/plain", text},
		{"a library's default selects JSON", "hello", "application/json, text/plain, */*", js},
		{"JSON in UTF-8", "hello", "application/json; charset=utf-8", js},
		{"a comma in a quoted parameter", "hello", `text/html;x="a,b", text/plain`, text},
		{"Java's default selects JSON", "hello", "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", js},
		{"a star alone is any type", "hello", "application/json;q=0, *", text},
		{"a weight without a zero before the point", "hello", "application/json;q=.1, text/plain;q=.2", text},
		{"a weight with four decimals", "hello", "application/json;q=0.0001, text/plain;q=0.0002", text},
		{"only elements that cannot be read select JSON", "hello", `garbage, text/plain;q=high, */json, ;q=1, text/plain;x="a`, js},
		{"an element without an end", "hello", `text/plain;x="a, */*`, js},
		{"commas alone", "hello", ", ,", js},
		{"malformed elements are ignored", "hello", "text, */json, text/plain;q=2, application/octet-stream", bytes},
		{"content that is not text uses the next best type", "bin", "text/plain, application/octet-stream;q=0.1", bytes},
	}
	exchanges := make([]exchange, 0, len(rows))
	for _, row := range rows {
		exchanges = append(exchanges, exchange{
			name: row.name, request: "GET /v1/values/" + row.key, header: []string{"Accept: " + row.accept},
			status: 200, wants: []string{"Content-Type: " + row.want},
		})
	}
	run(t, exchanges)
}

func TestRawValue(t *testing.T) {
	t.Parallel()
	run(t, []exchange{
		{
			name: "text", request: "GET /v1/values/hello", header: []string{"Accept: text/plain"},
			status: 200, answer: "world",
		},
		{
			name: "bytes", request: "GET /v1/values/bin", header: []string{"Accept: application/octet-stream"},
			status: 200, answer: "\xff\x00",
		},
		{
			name: "text as bytes", request: "GET /v1/values/hello", header: []string{"Accept: application/octet-stream"},
			status: 200, answer: "world",
		},
		{
			name: "several lines are one list", request: "GET /v1/values/hello",
			header: []string{"Accept: application/json;q=0.1", "Accept: text/plain"}, status: 200, answer: "world",
		},
	})
}

func TestNotAcceptable(t *testing.T) {
	t.Parallel()
	for _, e := range []exchange{
		{name: "HTML", request: "GET /v1/values/page", header: []string{"Accept: text/html"}},
		{name: "text of bytes", request: "GET /v1/values/bin", header: []string{"Accept: text/plain"}},
		{
			name: "text in another charset", request: "GET /v1/values/hello",
			header: []string{"Accept: text/plain;charset=latin1"},
		},
		{name: "nothing at all", request: "GET /v1/values/hello", header: []string{"Accept: */*;q=0"}},
		{name: "HTML and an element that cannot be read", request: "GET /v1/values/page", header: []string{"Accept: text/html, garbage"}},
		{name: "a parameter that no response has", request: "GET /v1/values/hello", header: []string{"Accept: text/plain;version=2"}},
	} {
		e.status, e.reason, e.detail = 406, "NOT_ACCEPTABLE", "application/json"
		run(t, []exchange{e})
	}
}
