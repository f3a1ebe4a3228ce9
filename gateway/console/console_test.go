package console_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"key-value/gateway/console"
)

// next receives the requests that the console does not serve.
var next = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })

type answer struct {
	status int
	header http.Header
	body   string
}

func ask(t *testing.T, method, path string, header ...string) answer {
	t.Helper()
	server := httptest.NewServer(console.New(next))
	t.Cleanup(server.Close)
	req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := server.Client()
	client.Transport.(*http.Transport).DisableCompression = true // it would compress GET alone
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(body)}
}

func TestEveryFileHasItsPolicyAndETag(t *testing.T) {
	wants := map[string]string{
		"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
			"img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
			"require-trusted-types-for 'script'; trusted-types 'none'",
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache",
	}
	types := map[string]string{
		"": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
		".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
	}
	for _, p := range console.Paths() {
		got := ask(t, http.MethodGet, p)
		if got.status != http.StatusOK || got.body == "" || got.header.Get("Content-Type") != types[path.Ext(p)] {
			t.Errorf("GET %s = %d, %d bytes of %s", p, got.status, len(got.body), got.header.Get("Content-Type"))
		}
		for name, want := range wants {
			if (name == "Content-Security-Policy" || name == "Referrer-Policy") && slices.Contains([]string{".js", ".css"}, path.Ext(p)) {
				want = "" // browsers do not open it by itself
			}
			if got.header.Get(name) != want {
				t.Errorf("GET %s has %s %q, want %q", p, name, got.header.Get(name), want)
			}
		}
		head := ask(t, http.MethodHead, p)
		if head.status != http.StatusOK || head.header.Get("Etag") != got.header.Get("Etag") || head.body != "" {
			t.Errorf("HEAD %s = %d %v, want the header of GET", p, head.status, head.header)
		}
		again := ask(t, http.MethodGet, p, "If-None-Match", got.header.Get("Etag"))
		if again.status != http.StatusNotModified || again.body != "" || again.header.Get("Content-Security-Policy") != got.header.Get("Content-Security-Policy") {
			t.Errorf("GET %s with its etag = %d, want 304 with the policy", p, again.status)
		}
		if stale := ask(t, http.MethodGet, p, "If-None-Match", `"old"`); stale.status != http.StatusOK {
			t.Errorf("GET %s with another etag = %d, want 200", p, stale.status)
		}
	}
}

func TestOtherMethodsAreRejected(t *testing.T) {
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		got := ask(t, method, "/")
		if got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") != "GET, HEAD, OPTIONS" ||
			got.header.Get("Content-Type") != "application/problem+json" || !strings.Contains(got.body, "METHOD_NOT_ALLOWED") {
			t.Errorf("%s / = %d %v %s", method, got.status, got.header, got.body)
		}
	}
	got := ask(t, http.MethodOptions, "/console/main.js")
	if got.status != http.StatusNoContent || got.header.Get("Allow") != "GET, HEAD, OPTIONS" {
		t.Errorf("OPTIONS = %d %v", got.status, got.header)
	}
}

func TestOtherPathsArePassedOn(t *testing.T) {
	for _, p := range []string{
		"/console", "/console/", "/console/nope.js", "/console/index.html", "/console/%6dain.js", "//", "/index.html", "/v1/values",
	} {
		if got := ask(t, http.MethodGet, p); got.status != http.StatusTeapot {
			t.Errorf("GET %s = %d, want it passed on", p, got.status)
		}
	}
}

var (
	// reference matches the files that a page refers to, and imported those that a module imports.
	reference = regexp.MustCompile(`(?:src|href)="([^"#]+)"`)
	imported  = regexp.MustCompile(`(?:from |import\()'([^']+)'`)
	// outside matches URLs of other hosts. The namespace of SVG is one, but is never fetched.
	outside = regexp.MustCompile(`(?:https?:)?//[\w.-]+\.\w+`)
)

// Every referenced file exists, every file is referenced, and no file is on another host.
func TestTheFilesAreComplete(t *testing.T) {
	used := []string{"/"}
	for i := 0; i < len(used); i++ {
		body := ask(t, http.MethodGet, used[i]).body
		for _, found := range slices.Concat(reference.FindAllStringSubmatch(body, -1), imported.FindAllStringSubmatch(body, -1)) {
			p := path.Join(path.Dir(used[i]), found[1]) // relative, because a proxy may serve the console below a path
			if !slices.Contains(used, p) {
				used = append(used, p)
			}
		}
		for _, found := range outside.FindAllString(body, -1) {
			if found != "http://www.w3.org" {
				t.Errorf("%s refers to %s", used[i], found)
			}
		}
	}
	slices.Sort(used)
	if there := slices.Sorted(slices.Values(console.Paths())); !slices.Equal(used, there) {
		t.Errorf("the page references %q, the files are %q", used, there)
	}
}

// The policy blocks inline code, so the console would not work.
func TestThePageHasNoInlineCode(t *testing.T) {
	page := ask(t, http.MethodGet, "/").body
	for _, inline := range []string{"<style", " style=", " onclick=", "javascript:"} {
		if strings.Contains(page, inline) {
			t.Errorf("the page contains %s", inline)
		}
	}
	if strings.Count(page, "<script") != strings.Count(page, "<script type=\"module\" src=") {
		t.Error("the page has an inline script")
	}
}

func TestFilesAreCompressedIfGzipIsAccepted(t *testing.T) {
	for _, p := range console.Paths() {
		plain := ask(t, http.MethodGet, p, "Accept-Encoding", "identity")
		if plain.header.Get("Content-Encoding") != "" || plain.header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("GET %s has the header %v, want no encoding, and that it varies", p, plain.header)
		}
		for _, accepted := range []string{"gzip, deflate, br", "br;q=1.0, GZIP;q=0.5"} {
			got := ask(t, http.MethodGet, p, "Accept-Encoding", accepted)
			if body := gunzip(t, got.body); got.header.Get("Content-Encoding") != "gzip" || body != plain.body {
				t.Errorf("GET %s with %q = %d bytes in %q, want the file in gzip", p, accepted, len(body), got.header.Get("Content-Encoding"))
			}
			if got.header.Get("Etag") == plain.header.Get("Etag") || got.header.Get("Content-Length") != strconv.Itoa(len(got.body)) {
				t.Errorf("GET %s with %q has the header %v, want an etag of its own and the length", p, accepted, got.header)
			}
			again := ask(t, http.MethodGet, p, "Accept-Encoding", accepted, "If-None-Match", got.header.Get("Etag"))
			if again.status != http.StatusNotModified {
				t.Errorf("GET %s with %q and its etag = %d, want 304", p, accepted, again.status)
			}
		}
		for _, refused := range []string{"gzip;q=0", "gzip; q=0.000", "br"} {
			if got := ask(t, http.MethodGet, p, "Accept-Encoding", refused); got.body != plain.body {
				t.Errorf("GET %s with %q is not the file", p, refused)
			}
		}
	}
}

func gunzip(t *testing.T, body string) string {
	t.Helper()
	r, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
