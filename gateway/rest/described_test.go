package rest_test

import (
	"encoding/json"
	"mime"
	"strconv"
	"strings"
	"testing"

	"key-value/gateway/rest"
	"key-value/internal/admission"
	"key-value/internal/auth"
	"key-value/internal/testkit/wiretest"
)

// checkAnswer checks a response against the description of its route and status.
func (d document) checkAnswer(t *testing.T, path string, e exchange, got answer) {
	t.Helper()
	method, _, _ := strings.Cut(e.request, " ")
	operation, err := d.at("#/paths")
	if err != nil {
		t.Fatal(err)
	}
	item, _ := operation[path].(map[string]any)
	described, _ := item[strings.ToLower(method)].(map[string]any)
	responses, _ := described["responses"].(map[string]any)
	response, err := d.resolve(responses[strconv.Itoa(got.StatusCode)])
	if err != nil || response == nil {
		t.Fatalf("%s = %d %s, which is not described", e.request, got.StatusCode, got.text)
	}
	for name := range got.Header {
		headers, _ := response["headers"].(map[string]any)
		if _, ok := headers[canonical(name)]; !ok && !generalHeaders[name] {
			t.Errorf("%s = %d with the header %s, which is not described", e.request, got.StatusCode, name)
		}
	}
	if method == "HEAD" || got.text == "" {
		return
	}
	media, _, _ := mime.ParseMediaType(got.Header.Get("Content-Type"))
	contents, _ := response["content"].(map[string]any)
	content, _ := contents[media].(map[string]any)
	if content == nil {
		t.Fatalf("%s = %d in %s, which is not described", e.request, got.StatusCode, media)
	}
	var body any = got.text
	if strings.HasSuffix(media, "json") {
		if body, err = parse(got.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.fits(content["schema"], body); err != nil {
		t.Errorf("%s = %d %s, which differs from its description: %v", e.request, got.StatusCode, got.text, err)
	}
}

// generalHeaders are part of HTTP or the same in every response, and are not described.
var generalHeaders = map[string]bool{
	"Cache-Control": true, "Connection": true, "Content-Length": true, "Content-Type": true, "Date": true, "Referrer-Policy": true,
	"Transfer-Encoding": true, "Vary": true, "X-Accel-Buffering": true, "X-Content-Type-Options": true,
	"X-Request-Id": true,
}

// canonical returns the name of a header as the document spells it.
func canonical(name string) string {
	switch name {
	case "Etag":
		return "ETag"
	case "Kv-Revision":
		return "KV-Revision"
	case "Www-Authenticate":
		return "WWW-Authenticate"
	}
	return name
}

// Every example of a request in the document works, and its response is as described.
func TestDescribedRequestsWork(t *testing.T) {
	t.Parallel()
	d := readOpenAPI(t)
	sent := 0
	for _, o := range d.operations() {
		body, _ := o.operation["requestBody"].(map[string]any)
		contents, _ := body["content"].(map[string]any)
		for media, content := range contents {
			for _, example := range examplesOf(content.(map[string]any)) {
				text, ok := example.(string)
				if !ok {
					encoded, _ := json.Marshal(example)
					text = string(encoded)
				}
				e := exchange{
					request: o.Method + " " + strings.ReplaceAll(o.Path, "{key}", "hello"),
					header:  []string{"Content-Type: " + media}, body: text,
				}
				kv := newService(t)
				mustSet(t, kv, valueOf("image", "v"))
				e.header = append(e.header, "X-Api-Key: secret")
				got := send(t, start(t, kv, rest.Config{Checks: admission.NewChecks(auth.Single("default", "secret"), nil)}), e)
				if got.StatusCode >= 300 {
					t.Errorf("%s with the example %s = %d %s, want it to work", e.request, text, got.StatusCode, got.text)
				}
				d.checkAnswer(t, o.Path, e, got)
				sent++
			}
		}
	}
	if sent < 10 {
		t.Errorf("only %d examples were found", sent)
	}
}

func TestResponsesAreAsDescribed(t *testing.T) {
	t.Parallel()
	const values, key, batch = "/v1/values", "/v1/values/{key}", "/v1/values:batch"
	rows := []struct {
		path string
		exchange
	}{
		{values, exchange{request: "GET /v1/values"}},
		{values, exchange{request: "GET /v1/values?view=keys&pageSize=1"}},
		{values, exchange{request: "HEAD /v1/values?pageSize=1"}},
		{values, exchange{request: "GET /v1/values?delimiter=l&reverse=true&start=a&end=z&pageSize=1"}},
		{values, exchange{request: "GET /v1/values?start=b&end=a"}},
		{values, exchange{request: "DELETE /v1/values?prefix=hel&dryRun=true"}},
		{values, exchange{request: "DELETE /v1/values?all=true"}},
		{values, exchange{request: "DELETE /v1/values"}},
		{values, exchange{request: "DELETE /v1/values?prefix=a&pageToken=x"}},
		{values, exchange{request: "DELETE /v1/values?prefix=a", header: []string{"If-Match: *"}}},
		{values, exchange{request: "DELETE /v1/values?prefix=a", header: []string{"Accept: text/html"}}},
		{values, exchange{request: "GET /v1/values?pageSize=x"}},
		{values, exchange{request: "GET /v1/values?pageToken=x"}},
		{values, exchange{request: "GET /v1/values", header: []string{"Accept: text/html"}}},
		{values, exchange{request: "PUT /v1/values", body: `{"key":"hello"}`}},
		{values, exchange{request: "PUT /v1/values", header: []string{"Content-Type: text/html"}}},
		{key, exchange{request: "GET /v1/values/hello"}},
		{key, exchange{request: "GET /v1/values/bin"}},
		{key, exchange{request: "GET /v1/values/soon"}},
		{key, exchange{request: "GET /v1/values/nope"}},
		{key, exchange{request: "GET /v1/values/.."}},
		{key, exchange{request: "GET /v1/values/hello", header: []string{"Accept: text/plain"}}},
		{key, exchange{request: "GET /v1/values/hello", header: []string{"Accept: application/octet-stream"}}},
		{key, exchange{request: "GET /v1/values/hello", header: []string{"If-None-Match: *"}}},
		{key, exchange{request: "GET /v1/values/hello", header: []string{"If-None-Match: *", "Prefer: wait=1"}}},
		{key, exchange{request: "GET /v1/values/hello", header: []string{`If-Match: "x"`}}},
		{key, exchange{request: "HEAD /v1/values/hello"}},
		{key, exchange{request: "PUT /v1/values/new", body: "v"}},
		{key, exchange{request: "PUT /v1/values/hello?ttl=1h", body: "v"}},
		{key, exchange{request: "PUT /v1/values/soon?ttl=keep", body: "v"}},
		{key, exchange{request: "PUT /v1/values/hello", body: "v", header: []string{unmodified + secondAfter}}},
		{key, exchange{request: "PUT /v1/values/hello", body: "v", header: []string{unmodified + "0"}}},
		{key, exchange{request: "GET /v1/values/hello", header: []string{unmodified + secondAfter}}},
		{key, exchange{request: "PUT /v1/values/hello", header: []string{"If-None-Match: *"}}},
		{key, exchange{request: "PUT /v1/values/hello", header: []string{"Content-Encoding: gzip"}}},
		{key, exchange{request: "PUT /v1/values/hello", body: strings.Repeat("x", 2000)}},
		{key, exchange{request: "PATCH /v1/values/hello", body: `{"ttl":null}`}},
		{key, exchange{request: "PATCH /v1/values/hello", body: `{"ttl":"1h"}`}},
		{key, exchange{request: "PATCH /v1/values/nope", body: `{"ttl":"1h"}`}},
		{key, exchange{request: "PATCH /v1/values/hello", header: []string{"Content-Type: text/plain"}}},
		{key, exchange{request: "DELETE /v1/values/hello"}},
		{key, exchange{request: "DELETE /v1/values/hello", header: []string{`If-Match: "x"`}}},
		{batch, exchange{request: "POST /v1/values:batch", body: everyOperation}},
		{batch, exchange{request: "POST /v1/values:batch", body: `{"operations":[{"get":{"key":"nope"}}],"atomic":true}`}},
		{batch, exchange{request: "POST /v1/values:batch", body: `{"operations":[]}`}},
		{batch, exchange{request: "POST /v1/values:batch", body: `{"operations":[{"increment":{"key":"hello","delta":1}}],"atomic":true}`}},
		{"/v1/values:increment", exchange{request: "POST /v1/values:increment", body: `{"key":"max","delta":1}`}},
		{"/v1/values:watch", exchange{request: "GET /v1/values:watch"}},
		{"/v1/values:watch", exchange{request: "GET /v1/values:watch?prefix=&resumeToken=1-1-ab1c0c60"}},
		{"/v1/values:watch", exchange{request: "GET /v1/values:watch?ticket=x"}},
		{"/v1/values:watch", exchange{request: "GET /v1/values:watch?ticket=x&prefix="}},
		{"/v1/tickets", exchange{request: "POST /v1/tickets", body: `{"prefix":""}`}},
		{"/v1/tickets", exchange{request: "POST /v1/tickets", body: `{}`}},
		{"/v1/tickets", exchange{request: "POST /v1/tickets", body: `{}`, header: []string{"Content-Type: text/html"}}},
		{"/v1/tickets", exchange{request: "POST /v1/tickets", body: `{}`, header: []string{"Accept: text/html"}}},
		{"/v1/caller", exchange{request: "GET /v1/caller"}},
		{"/v1/caller", exchange{request: "HEAD /v1/caller"}},
		{"/v1/stats", exchange{request: "GET /v1/stats"}},
		{"/v1/stats", exchange{request: "HEAD /v1/stats"}},
		{"/v1/stats/keys", exchange{request: "GET /v1/stats/keys"}},
		{"/v1/stats/keys", exchange{request: "HEAD /v1/stats/keys"}},
		{"/v1/stats/keys", exchange{request: "GET /v1/stats/keys?limit=-1"}},
		{"/openapi.json", exchange{request: "GET /openapi.json?x=1"}},
	}
	d := readOpenAPI(t)
	for _, row := range rows {
		t.Run(row.request, func(t *testing.T) {
			t.Parallel()
			got := send(t, start(t, newService(t), rest.Config{MaxValueBytes: 1000}), row.exchange)
			d.checkAnswer(t, row.path, row.exchange, got)
		})
	}
}

const everyOperation = `{"operations":[{"get":{"key":"hello"}},{"get":{"key":"bin"}},{"get":{"key":"nope"}},{},
	{"get":{"key":"nope","allowMissing":true}},{"set":{"key":"soon","value":"v","ttl":"keep"}},
	{"set":{"key":"hello","value":"v","ttl":"1h"}},{"touch":{"key":"hello","ttl":null}},
	{"increment":{"key":"n","delta":1}},{"delete":{"key":"hello"}}]}`

func TestEventsAreAsDescribed(t *testing.T) {
	t.Parallel()
	d, kv := readOpenAPI(t), newService(t)
	s := listen(t, http1(t), wiretest.Serve(t, rest.New(kv, rest.Config{}))+"/v1/values:watch?prefix=&snapshot")
	mustDelete(t, kv, "hello")
	schemas := map[string]string{"put": "EntryVersion", "delete": "KeyEvent"}
	for {
		e, err := s.next()
		if err != nil {
			t.Fatal(err)
		}
		data, err := parse(e.data)
		if err != nil {
			t.Fatal(err)
		}
		if schema, ok := schemas[e.name]; ok {
			if err := d.fits(map[string]any{"$ref": "#/components/schemas/" + schema}, data); err != nil {
				t.Errorf("the event %s %s differs from its description: %v", e.name, e.data, err)
			}
		}
		if e.name == "delete" {
			return
		}
	}
}
