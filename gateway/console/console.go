// Package console serves the web console: static files that call the REST routes of the same gateway from the browser.
//
// The files contain no secrets, so they are served without an API key; the user enters one in the console. There is no
// build step, and the files load nothing from other origins.
package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"sync"
	"time"

	"key-value/gateway/rest"
)

// assetPrefix is the prefix of the path of every file except the page, which is "/".
const assetPrefix = "/console/"

const page = "index.html"

//go:embed static
var static embed.FS

// contentTypes lists the media types of the files. Package mime would consult the operating system.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// documentTypes are the media types that a browser may open by themselves. Policies apply to what is opened, and would be a
// quarter of what the page weighs if each module had them.
var documentTypes = map[string]bool{contentTypes[".html"]: true, contentTypes[".svg"]: true}

// policy restricts the console to its own files and origin: no inline scripts or styles, and no embedding in frames.
// Trusted types disable the APIs that turn a string into markup, so stored values stay text even if the console has a bug.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// file is a file of the console and its headers.
type file struct {
	contentType string
	etag        string // without quotes
	body        []byte
	gzipped     func() []byte // the body, compressed when it is first asked for
}

// handler serves the console.
type handler struct {
	files map[string]*file // :: URL path → file
	next  http.Handler
}

// New returns a handler that serves the console at "/" and its files below "/console/". It passes all other requests to
// next.
func New(next http.Handler) http.Handler {
	h := &handler{files: map[string]*file{}, next: next}
	entries, err := fs.ReadDir(static, "static")
	if err != nil {
		panic(err) // cannot happen: the files are embedded
	}
	for _, entry := range entries {
		name := entry.Name()
		body, err := static.ReadFile("static/" + name)
		if err != nil {
			panic(err)
		}
		h.files[urlPath(name)] = newFile(name, body)
	}
	return h
}

// Paths returns the paths that the handler of New serves, in no particular order.
func Paths() []string {
	var all []string
	for path := range New(nil).(*handler).files {
		all = append(all, path)
	}
	return all
}

func urlPath(name string) string {
	if name == page {
		return "/"
	}
	return assetPrefix + name
}

func newFile(name string, body []byte) *file {
	contentType, ok := contentTypes[path.Ext(name)]
	if !ok {
		panic(fmt.Sprintf("console: unknown file type: %s", name))
	}
	sum := sha256.Sum256(body)
	etag := base64.RawURLEncoding.EncodeToString(sum[:12])
	return &file{contentType, etag, body, sync.OnceValue(func() []byte { return rest.Compress(body) })}
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := h.files[r.URL.EscapedPath()]
	switch {
	case !ok:
		h.next.ServeHTTP(w, r)
	case r.Method == http.MethodGet, r.Method == http.MethodHead:
		f.serve(w, r)
	default:
		rest.WriteWrongMethod(w, r, http.MethodGet, http.MethodHead)
	}
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	body, etag := f.body, f.etag
	if rest.AcceptsGzip(r.Header["Accept-Encoding"]) {
		body, etag = f.gzipped(), etag+"-gzip"
		h.Set("Content-Encoding", "gzip")
		h.Set("Content-Length", strconv.Itoa(len(body))) // ServeContent sets none with an encoding
	}
	h.Set("Content-Type", f.contentType)
	h.Set("Etag", strconv.Quote(etag))
	h.Set("Vary", "Accept-Encoding")
	// Browsers revalidate each file on every load, so that they do not mix files of two versions.
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if documentTypes[f.contentType] {
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "no-referrer")
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}
