package gateway_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"key-value/gateway"
)

func TestOtherOriginsMayCallIfAllowed(t *testing.T) {
	t.Parallel()
	allowed := start(t, arrangements[0].transport(t, newEngine(t)), func(c *gateway.Config) { c.Origins = []string{page} })
	for path, method := range map[string]string{
		"/v1/values/a":                     http.MethodPut,
		"/v1/values/b":                     http.MethodDelete,
		"/keyvalue.v1.KeyValueService/Get": http.MethodPost,
	} {
		got := askAs(t, http.MethodOptions, allowed+path, "", "Origin", page, "Access-Control-Request-Method", method,
			"Access-Control-Request-Headers", "content-type,grpc-timeout,if-match,x-api-key,x-grpc-web")
		if got.header.Get("Access-Control-Allow-Origin") != page || got.header.Get("Access-Control-Allow-Headers") == "" {
			t.Errorf("preflight of %s %s: %d %v, want it allowed", method, path, got.status, got.header)
		}
		other := askAs(t, http.MethodOptions, allowed+path, "", "Origin", "https://evil.example",
			"Access-Control-Request-Method", method)
		if origin := other.header.Get("Access-Control-Allow-Origin"); origin != "" {
			t.Errorf("preflight of another origin is allowed for %q", origin)
		}
	}
	got := ask(t, http.MethodPut, allowed+"/v1/values/a", "x", "Origin", page, "Content-Type", "text/plain")
	if got.status != http.StatusCreated || !strings.Contains(strings.ToLower(got.header.Get("Access-Control-Expose-Headers")), "etag") {
		t.Errorf("the call itself = %d %v, want 201 and its ETag exposed", got.status, got.header)
	}
	closed := start(t, arrangements[0].transport(t, newEngine(t)))
	if got := ask(t, http.MethodGet, closed+"/v1/values/a", "", "Origin", page); got.header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("a gateway without origins allows one")
	}
}

const page = "https://page.example"

// preflight sends a preflight request of page for a PUT with headers.
func preflight(t *testing.T, url string, headers string) answer {
	t.Helper()
	return askAs(t, http.MethodOptions, url+"/v1/values/a", "", "Origin", page,
		"Access-Control-Request-Method", http.MethodPut, "Access-Control-Request-Headers", headers)
}

func TestPagesMaySendWhatTheirLibrariesAdd(t *testing.T) {
	t.Parallel()
	for _, origins := range []string{page, "*"} {
		var log logBuffer
		url := start(t, arrangements[0].transport(t, newEngine(t)), func(c *gateway.Config) {
			c.Origins, c.Log = []string{origins}, slog.New(slog.NewTextHandler(&log, nil))
		})
		for _, headers := range []string{
			"traceparent", "tracestate", "baggage", "sentry-trace", "cache-control", "last-event-id",
			"baggage,cache-control,content-type,sentry-trace,traceparent,tracestate,x-api-key",
			"X-API-Key, Content-Type,Accept , ,accept", // as people write it, not browsers
		} {
			got := preflight(t, url, headers)
			allowed := "," + strings.Join(got.header.Values("Access-Control-Allow-Headers"), ",") + ","
			for name := range strings.SplitSeq(strings.ToLower(headers), ",") {
				if name = strings.TrimSpace(name); !strings.Contains(allowed, ","+name+",") && name != "" {
					t.Errorf("preflight for %s from %s = %d with %q, want %s allowed", headers, origins, got.status, allowed, name)
				}
			}
			if got.header.Get("Access-Control-Allow-Origin") != origins {
				t.Errorf("preflight for %s allows %q, want %q", headers, got.header.Get("Access-Control-Allow-Origin"), origins)
			}
		}
		if log.count("preflight refused") != 0 {
			t.Error("the log has a refused preflight, though none was refused")
		}
	}
}

func TestARefusedPreflightSaysWhyInTheLog(t *testing.T) {
	t.Parallel()
	var log logBuffer
	url := start(t, arrangements[0].transport(t, newEngine(t)), func(c *gateway.Config) {
		c.Origins, c.Log = []string{page}, slog.New(slog.NewTextHandler(&log, nil))
	})
	for _, test := range []struct{ origin, method, headers, want string }{
		{page, "PUT", "x-api-key,x-one,x-two", `why="header not allowed: x-one, x-two" origin=` + page + " method=PUT"},
		{page, "TRACE", "x-api-key", `why="method not allowed" origin=` + page + " method=TRACE"},
		{"https://evil.example", "PUT", "x-api-key", `why="origin not in --cors-origins" origin=https://evil.example method=PUT`},
	} {
		got := askAs(t, http.MethodOptions, url+"/v1/values/a", "", "Origin", test.origin,
			"Access-Control-Request-Method", test.method, "Access-Control-Request-Headers", test.headers)
		if allowed := got.header.Get("Access-Control-Allow-Origin"); allowed != "" {
			t.Errorf("%v is allowed for %q", test, allowed)
		}
		if log.count(regexp.QuoteMeta(`level=INFO msg="preflight refused" `+test.want)+"$") != 1 {
			t.Errorf("%v: the log has no line that says %s", test, test.want)
		}
	}
}

// Callers need no key for a preflight request, so they must not be able to fill a disk with them.
func TestRefusedPreflightsDoNotFloodTheLog(t *testing.T) {
	t.Parallel()
	var log logBuffer
	url := start(t, arrangements[0].transport(t, newEngine(t)), func(c *gateway.Config) {
		c.Origins, c.Log = []string{page}, slog.New(slog.NewTextHandler(&log, nil))
	})
	for i := range 200 {
		preflight(t, url, fmt.Sprint("x-", i, strings.Repeat("y", 10_000)))
	}
	if short, all := log.count("^.{1,1000}$"), log.count("^.+$"); short != all || all < 1 || all > 100 {
		t.Errorf("200 refused preflights are %d lines, and %d of up to 1000 bytes; want up to 100 such lines", all, short)
	}
}
