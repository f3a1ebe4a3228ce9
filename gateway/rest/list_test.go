package rest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"key-value/gateway/rest"
	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/kvservice/store/memory"
)

func TestAPageStaysUnderItsBound(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{"escapes": "\x01", "quotes": `"`, "text": "x", "bytes": "\xff"} {
		kv := newService(t)
		const n, size = 12, 1_000_000
		for i := range n {
			req := &keyvaluev1.SetRequest{Key: fmt.Sprint("long/", 'a'+i), Content: &keyvaluev1.SetRequest_Data{Data: bytes.Repeat([]byte(content), size)}}
			if _, err := kv.Set(t.Context(), req); err != nil {
				t.Fatal(err)
			}
		}
		addr, keys := start(t, kv, rest.Config{}), 0
		for token := ""; ; {
			got := send(t, addr, exchange{request: "GET /v1/values?prefix=long/&pageToken=" + token})
			var page struct {
				Values        []struct{}
				NextPageToken string
			}
			if err := json.Unmarshal([]byte(got.text), &page); err != nil {
				t.Fatal(err)
			}
			keys += len(page.Values)
			if len(got.text) >= 8<<20 || len(page.Values) == 0 {
				t.Errorf("a page of %s has %d entries and %d bytes, want less than 8 MiB", name, len(page.Values), len(got.text))
			}
			if token = page.NextPageToken; token == "" {
				break
			}
		}
		if keys != n {
			t.Errorf("all pages of %s have %d entries, want %d", name, keys, n)
		}
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	const get = "GET /v1/values"
	const bin, hello = `{"key":"bin","data":"/wA=","etag":"<etag>","revision":"<revision>"}`, `{"key":"hello","value":"world","etag":"<etag>","revision":"<revision>"}`
	const number, soon = `{"key":"n","value":"41","etag":"<etag>","revision":"<revision>"}`, `{"key":"soon","value":"gone","etag":"<etag>","revision":"<revision>","expireTime":"<time>","ttl":"<ttl>"}`
	const largest = `{"key":"max","value":"9223372036854775807","etag":"<etag>","revision":"<revision>"}`
	runReal(t, []exchange{
		{
			name: "everything, in byte order of the key", request: get, status: 200,
			answer: `{"values":[` + strings.Join([]string{bin, hello, largest, number, soon}, ",") + "]}\n",
			wants:  []string{"Content-Type: application/json", "Link: ", "ETag: ", "Cache-Control: no-store"},
		},
		{name: "a prefix", request: get + "?prefix=hel", status: 200, answer: `{"values":[` + hello + "]}\n"},
		{name: "an empty prefix is ignored", request: get + "?prefix=&pageToken=&view=full&pageSize=0", status: 200},
		{name: "a prefix without keys", request: get + "?prefix=x", status: 200, answer: `{"values":[]}` + "\n"},
		{
			name: "keys only", request: get + "?prefix=s&view=keys", status: 200,
			answer: `{"values":[{"key":"soon","etag":"<etag>","revision":"<revision>","expireTime":"<time>","ttl":"<ttl>"}]}` + "\n",
		},
		{
			name: "a page has a link to the next", request: get + "?pageSize=1&view=keys", status: 200,
			answer: `{"values":[{"key":"bin","etag":"<etag>","revision":"<revision>"}],"nextPageToken":"<token>"}` + "\n",
		},
		{name: "a range", request: get + "?start=c&end=max&view=keys", status: 200, answer: `{"values":[{"key":"hello","etag":"<etag>","revision":"<revision>"}]}` + "\n"},
		{
			name: "in reverse", request: get + "?reverse=true&start=max&view=keys&end=soon", status: 200,
			answer: `{"values":[{"key":"n","etag":"<etag>","revision":"<revision>"},{"key":"max","etag":"<etag>","revision":"<revision>"}]}` + "\n",
		},
		{
			name: "keys with the delimiter are rolled up", request: get + "?delimiter=l&view=keys&end=max", status: 200,
			answer: `{"values":[{"key":"bin","etag":"<etag>","revision":"<revision>"}],"prefixes":["hel"]}` + "\n",
		},
		{
			name: "prefixes count as entries", request: get + "?delimiter=l&start=c&pageSize=1", status: 200,
			answer: `{"values":[],"prefixes":["hel"],"nextPageToken":"<token>"}` + "\n",
		},
		{name: "empty bounds and an empty delimiter are ignored", request: get + "?start=&end=&delimiter=&reverse=false&prefix=x", status: 200, answer: `{"values":[]}` + "\n"},
		{name: "the last page has none", request: get + "?pageSize=5&prefix=", status: 200, wants: []string{"Link: "}},
		{name: "a page size over the maximum is reduced", request: get + "?pageSize=99999999999999999999", status: 200},
		{name: "HEAD is GET without a body", request: "HEAD /v1/values?prefix=x", status: 200, wants: []string{"Content-Length: 14"}},
		{name: "an Accept header of Java", request: get, header: []string{"Accept: text/html, image/gif, image/jpeg, *; q=.2"}, status: 200},
		{name: "only JSON is available", request: get, header: []string{"Accept: application/*;q=0.1"}, status: 200},
	})
}

func TestInvalidListRequests(t *testing.T) {
	t.Parallel()
	rows := []struct{ name, query, reason, detail string }{
		{"a page size that is a word", "pageSize=many", "REQUEST_INVALID", `"many"`},
		{"a negative page size", "pageSize=-1", "REQUEST_INVALID", "1000"},
		{"a page size with a sign", "pageSize=%2B1", "REQUEST_INVALID", "pageSize"},
		{"a fraction as page size", "pageSize=1.5", "REQUEST_INVALID", "pageSize"},
		{"an empty page size", "pageSize=", "REQUEST_INVALID", "pageSize"},
		{"an unknown view", "view=values", "REQUEST_INVALID", `"keys"`},
		{"an empty view", "view=", "REQUEST_INVALID", "view"},
		{"a forged page token", "pageToken=abc", "PAGE_TOKEN_INVALID", "page"},
		{"a page token that is not UTF-8", "pageToken=%FF", "PAGE_TOKEN_INVALID", "pageToken"},
		{"a prefix that is not UTF-8", "prefix=%FF", "KEY_INVALID", "prefix"},
		{"a prefix with a control character", "prefix=%00", "KEY_INVALID", "prefix"},
		{"a start with a control character", "start=%00", "KEY_INVALID", "start"},
		{"an end that is not UTF-8", "end=%FF", "KEY_INVALID", "end"},
		{"a delimiter with a control character", "delimiter=%0A", "KEY_INVALID", "delimiter"},
		{"a start after the end", "start=b&end=a", "REQUEST_INVALID", "Start \"b\" is after end \"a\""},
		{"a start after the end, with a prefix", "prefix=a&start=ab&end=aa", "REQUEST_INVALID", "start before end"},
		{"a start after the end, in reverse", "start=b&end=a&reverse=true", "REQUEST_INVALID", "also in reverse"},
		{"a direction that is a word", "reverse=backwards", "REQUEST_INVALID", `"backwards"`},
		{"a name in snake case", "page_size=5", "REQUEST_INVALID", "pageSize"},
		{"a prefix given twice", "prefix=a&prefix=b", "REQUEST_INVALID", "2 times"},
	}
	exchanges := make([]exchange, 0, len(rows)+1)
	for _, row := range rows {
		exchanges = append(exchanges, exchange{
			name: row.name, request: "GET /v1/values?" + row.query, status: 400, reason: row.reason, detail: row.detail,
		})
	}
	runReal(t, append(exchanges, exchange{
		name: "a list as text", request: "GET /v1/values", header: []string{"Accept: text/plain"},
		status: 406, reason: "NOT_ACCEPTABLE", detail: "application/json",
	}))
}

// A page token is valid only for its prefix.
func TestForeignPageToken(t *testing.T) {
	t.Parallel()
	addr := startReal(t)
	first := send(t, addr, exchange{request: "GET /v1/values?pageSize=1"})
	for _, other := range []string{"prefix=h", "start=a", "end=z", "reverse=true", "delimiter=/"} {
		e := exchange{
			request: "GET /v1/values?" + other + "&pageToken=" + parsePage(t, first.text).NextPageToken,
			status:  400, reason: "PAGE_TOKEN_INVALID",
		}
		e.check(t, send(t, addr, e))
	}
}

// A proxy rejects a response whose headers are too long. The page then still has its token.
func TestALongLinkIsLeftOut(t *testing.T) {
	t.Parallel()
	kv := serviceOver(t, memory.New(memory.Options{}))
	prefix := strings.Repeat("é", 450)
	for i := range 3 {
		if _, err := kv.Set(t.Context(), valueOf(fmt.Sprint(prefix, i), "v")); err != nil {
			t.Fatal(err)
		}
	}
	addr := start(t, kv, rest.Config{})
	query := url.Values{"prefix": {prefix}, "pageSize": {"2"}, "view": {"keys"}}
	first := send(t, addr, exchange{request: "GET /v1/values?" + query.Encode()})
	if link, ok := first.Header["Link"]; ok {
		t.Errorf("the Link header has %d bytes, want none over 2 KiB", len(link[0]))
	}
	query.Set("pageToken", parsePage(t, first.text).NextPageToken)
	second := parsePage(t, send(t, addr, exchange{request: "GET /v1/values?" + query.Encode()}).text)
	if len(second.Values) != 1 || second.Values[0].Key != prefix+"2" {
		t.Errorf("the next page has %d values, want the third", len(second.Values))
	}
}

type page struct {
	Values        []struct{ Key, Value, ETag string }
	NextPageToken string
}

func parsePage(t *testing.T, body string) page {
	t.Helper()
	var p page
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatalf("page %q: %v", body, err)
	}
	return p
}

// Following the links lists every key once, whatever has to be escaped in them.
func TestLinksLeadThroughAllPages(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"", "plain/", `a b&c=d;e"f<g>h?i#j+k%l/é🗝/`} {
		t.Run(prefix, func(t *testing.T) {
			t.Parallel()
			kv := serviceOver(t, memory.New(memory.Options{}))
			var want []string
			for i := range 7 {
				want = append(want, fmt.Sprint(prefix, i))
				if _, err := kv.Set(t.Context(), valueOf(want[i], "v")); err != nil {
					t.Fatal(err)
				}
			}
			got := walk(t, start(t, kv, rest.Config{}), url.Values{"prefix": {prefix}, "pageSize": {"3"}, "view": {"keys"}})
			if !slices.Equal(got, want) {
				t.Errorf("the pages have %q, want %q", got, want)
			}
		})
	}
}

// walk follows links to the end and returns the listed keys. Links and page tokens must agree.
func walk(t *testing.T, addr string, query url.Values) (keys []string) {
	t.Helper()
	here := &url.URL{Scheme: "http", Host: addr, Path: "/v1/values", RawQuery: query.Encode()}
	for {
		res := send(t, addr, exchange{request: "GET " + here.RequestURI()})
		if res.StatusCode != http.StatusOK {
			t.Fatalf("GET %s = %d %s", here, res.StatusCode, res.text)
		}
		p := parsePage(t, res.text)
		for _, value := range p.Values {
			keys = append(keys, value.Key)
			if value.ETag == "" || value.Value != "" {
				t.Errorf("view=keys has %+v, want no value but an etag", value)
			}
		}
		link := res.Header.Get("Link")
		if link == "" {
			if p.NextPageToken != "" {
				t.Errorf("a page without a link has the token %s", p.NextPageToken)
			}
			return keys
		}
		target, ok := strings.CutSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`)
		next, err := here.Parse(target)
		if !ok || err != nil || next.Query().Get("pageToken") != p.NextPageToken {
			t.Fatalf("Link: %s, %v; want it to lead to the page %s", link, err, p.NextPageToken)
		}
		here = next
	}
}

func TestPageIsBoundedInEntries(t *testing.T) {
	t.Parallel()
	kv := serviceOver(t, memory.New(memory.Options{}))
	for i := range 1001 {
		if _, err := kv.Set(t.Context(), valueOf(fmt.Sprintf("%04d", i), "v")); err != nil {
			t.Fatal(err)
		}
	}
	addr := start(t, kv, rest.Config{})
	for query, want := range map[string]int{"": 100, "?pageSize=0": 100, "?pageSize=7": 7, "?pageSize=5000": 1000} {
		if p := parsePage(t, send(t, addr, exchange{request: "GET /v1/values" + query}).text); len(p.Values) != want {
			t.Errorf("GET /v1/values%s has %d values, want %d", query, len(p.Values), want)
		}
	}
}
