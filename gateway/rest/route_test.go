package rest_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"key-value/gateway/rest"
)

func TestRoutes(t *testing.T) {
	t.Parallel()
	var got []string
	for _, route := range rest.Routes() {
		got = append(got, route.Method+" "+route.Path)
	}
	for _, want := range []string{
		"PUT /v1/values", "GET /v1/values/{key}", "HEAD /v1/values/{key}", "PUT /v1/values/{key}", "DELETE /v1/values/{key}",
		"PATCH /v1/values/{key}", "GET /v1/values", "HEAD /v1/values", "POST /v1/values:batch", "POST /v1/values:increment",
		"GET /v1/values:watch", "GET /v1/stats", "GET /v1/stats/keys", "GET /v1/caller", "GET /openapi.json",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("Routes() = %q, want %q among them", got, want)
		}
	}
}

func TestEveryRouteIsServed(t *testing.T) {
	t.Parallel()
	addr := start(t, newService(t), rest.Config{})
	for _, route := range rest.Routes() {
		path := strings.ReplaceAll(route.Path, "{key}", "hello")
		got := send(t, addr, exchange{request: route.Method + " " + path})
		allow := send(t, addr, exchange{request: "OPTIONS " + path}).Header.Get("Allow")
		if got.StatusCode == http.StatusMethodNotAllowed || got.Header.Get("Content-Type") == "" && got.StatusCode != 204 {
			t.Errorf("%s %s = %d, want it served", route.Method, route.Path, got.StatusCode)
		}
		if !slices.Contains(strings.Split(allow, ", "), route.Method) {
			t.Errorf("OPTIONS %s allows %q, want %s among them", route.Path, allow, route.Method)
		}
	}
}

func TestUnknownRoute(t *testing.T) {
	t.Parallel()
	var exchanges []exchange
	for _, target := range []string{
		"/", "/v1", "/v1/", "/v1/nope", "/v1/valuesx", "/v1/values:nope", "//v1/values", "/v1//values/a", "/v1/values%2Fa",
		"/v1%2Fvalues/a", "/v1/../v1/values/a", "/V1/values/a",
	} {
		exchanges = append(exchanges, exchange{name: target, request: "GET " + target, status: 404, reason: "ROUTE_NOT_FOUND"})
	}
	run(t, exchanges)
}

func TestMethod(t *testing.T) {
	t.Parallel()
	const keyAllow = "Allow: GET, HEAD, PUT, PATCH, DELETE, OPTIONS"
	const allAllow = "Allow: GET, HEAD, PUT, DELETE, OPTIONS"
	var exchanges []exchange
	for _, method := range []string{"POST", "TRACE", "get", "BREW"} {
		exchanges = append(exchanges, exchange{
			name: method, request: method + " /v1/values/a",
			status: 405, reason: "METHOD_NOT_ALLOWED", wants: []string{keyAllow},
		})
	}
	run(t, append(exchanges,
		exchange{
			name: "POST of all values", request: "POST /v1/values", status: 405, reason: "METHOD_NOT_ALLOWED",
			wants: []string{allAllow},
		},
		exchange{
			name: "GET of a batch", request: "GET /v1/values:batch", status: 405, reason: "METHOD_NOT_ALLOWED",
			wants: []string{"Allow: POST, OPTIONS"},
		},
		exchange{
			name: "HEAD of a watch", request: "HEAD /v1/values:watch?prefix=", status: 405, reason: "METHOD_NOT_ALLOWED",
			wants: []string{"Allow: GET, OPTIONS"},
		},
		exchange{
			name: "OPTIONS of a key", request: "OPTIONS /v1/values/a", status: 204,
			wants: []string{keyAllow, "Accept-Patch: application/json, application/merge-patch+json"},
		},
		exchange{
			name: "OPTIONS of all values", request: "OPTIONS /v1/values", status: 204,
			wants: []string{allAllow, "Accept-Patch: "},
		},
	))
}

// An entry stored at a path is found at every other spelling of the path.
func TestKeyInPath(t *testing.T) {
	t.Parallel()
	rows := []struct{ name, path, key, same string }{
		{"plain", "a", "a", "%61"},
		{"a slash", "a/b", "a/b", "a%2Fb"},
		{"an encoded slash", "a%2fb", "a/b", "a%2Fb"},
		{"two slashes", "a//b", "a//b", "a%2F/b"},
		{"a slash at the end", "a/", "a/", "a%2F"},
		{"a slash at the beginning", "/a", "/a", "%2Fa"},
		{"only a slash", "/", "/", "%2F"},
		{"a space", "%20", " ", "%20"},
		{"a plus", "a+b", "a+b", "a%2Bb"},
		{"a percent sign is decoded once", "%2541", "%41", "%25%34%31"},
		{"a query's characters", "a%3Fb%23c", "a?b#c", "%61%3fb%23c"},
		{"characters that are invalid in URLs", `a"<b`, `a"<b`, "a%22%3Cb"},
		{"not ASCII", "caf%C3%A9", "café", "caf%c3%a9"},
		{"not ASCII and not encoded", "café", "café", "caf%C3%A9"},
		{"an astral character", "%F0%9F%97%9D", "🗝", "🗝"},
		{"the path of another route", "v1/values", "v1/values", "v1%2Fvalues"},
		{"a colon", ":batch", ":batch", "%3Abatch"},
		{"three dots", "a/.../b", "a/.../b", "a/%2E../b"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f := newFake()
			addr := start(t, f, rest.Config{})
			put := exchange{request: "PUT /v1/values/" + row.path, body: "v", status: 201}
			put.check(t, send(t, addr, put))
			if got, ok := f.contents()[row.key]; !ok || got != "v" {
				t.Errorf("PUT %s wrote %q, want the key %q", row.path, f.contents(), row.key)
			}
			get := exchange{
				request: "GET /v1/values/" + row.same, header: []string{"Accept: text/plain"}, status: 200, answer: "v",
			}
			get.check(t, send(t, addr, get))
		})
	}
}

func TestInvalidKeyInPath(t *testing.T) {
	t.Parallel()
	var exchanges []exchange
	for _, path := range []string{
		"", "%FF", "a%FFb", "%C3", "%ED%A0%80", "\xff", "%00", "a%0Ab", ".", "..", "a/../b", "a/./b", "%2e%2E", "a/..",
		strings.Repeat("x", 1025),
	} {
		for _, method := range []string{"GET", "HEAD", "PUT", "PATCH", "DELETE"} {
			exchanges = append(exchanges, exchange{
				name: fmt.Sprintf("%s %.20q", method, path), request: method + " /v1/values/" + path, body: bodyOf(method),
				status: 400, reason: "KEY_INVALID",
			})
		}
	}
	run(t, exchanges)
}

// bodyOf returns a valid body for the method.
func bodyOf(method string) string {
	if method == http.MethodPatch {
		return `{"ttl":null}`
	}
	return ""
}
