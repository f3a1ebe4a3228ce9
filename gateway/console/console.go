// Package console is the web console: static files that a browser runs against the REST routes of the gateway which
// served them.
//
// They hold nothing secret and so need no API key; the person who opens the console types one in. The files are
// what a browser gets: nothing builds them, and they load nothing from anywhere else.
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
	"time"

	"key-value/gateway/rest"
)

// assetPrefix is what the paths of all files begin with but that of the page, which is "/".
const assetPrefix = "/console/"

const page = "index.html"

//go:embed static
var static embed.FS

// contentTypes are those of the files there are. What an operating system thinks of an extension has no say.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// policy lets the console run its own files and call its own origin, and nothing else: no inline script or style, no
// other origin, no frame around it. Trusted types turn off the ways to make markup of a string, so that a stored
// value stays text even where the console has a mistake.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// file is one file as it is sent.
type file struct {
	contentType string
	etag        string
	body        []byte
}

// handler serves files, :: path of the URL → file.
type handler struct {
	files map[string]file
	next  http.Handler
}

// New returns a handler that serves the console at "/" with its files below "/console/", and hands every other path
// to next.
func New(next http.Handler) http.Handler {
	h := handler{files: map[string]file{}, next: next}
	entries, err := fs.ReadDir(static, "static")
	if err != nil {
		panic(err) // the files are part of the binary
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

// Paths returns the paths that New's handler serves, in no order.
func Paths() []string {
	var all []string
	for path := range New(nil).(handler).files {
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

func newFile(name string, body []byte) file {
	contentType, ok := contentTypes[path.Ext(name)]
	if !ok {
		panic(fmt.Sprintf("console: the type of %s is not known", name))
	}
	sum := sha256.Sum256(body)
	return file{contentType, strconv.Quote(base64.RawURLEncoding.EncodeToString(sum[:12])), body}
}

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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

func (f file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Etag", f.etag)
	// Asked for each time and sent only when it has changed: files of two versions are never mixed for long.
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
}
