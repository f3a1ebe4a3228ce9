// Package problem writes error responses as application/problem+json (RFC 9457).
package problem

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// ContentType is the media type of a problem.
const ContentType = "application/problem+json"

// typePrefix precedes the reason in the type of a problem.
const typePrefix = "urn:keyvalue:reason:"

// Problem is the body of an error response.
type Problem struct {
	Status int
	Title  string // empty: the text of Status
	Detail string
	// Reason is the reason of the contract. Empty: the problem has no meaning beyond its status, and its type is
	// about:blank.
	Reason   string
	Metadata map[string]string // empty: omitted
}

// Values of headers, shared by all responses and never written to.
var (
	contentType = []string{ContentType}
	noStore     = []string{"no-store"}
	noSniff     = []string{"nosniff"}
)

// Write answers r with p. The response to a HEAD request has no body.
func (p Problem) Write(w http.ResponseWriter, r *http.Request) {
	Write(w, r, p.Status, append(p.Append(nil), '\n'))
}

// Write answers r with status and body, a problem that [Problem.Append] has encoded.
func Write(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	h := w.Header()
	h["Content-Type"] = contentType
	h["Cache-Control"] = noStore
	h["X-Content-Type-Options"] = noSniff
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // fails only if the caller is gone
	}
}

// Append appends p as JSON. Bytes that are not UTF-8 become U+FFFD.
func (p Problem) Append(b []byte) []byte {
	b = append(b, `{"type":`...)
	if p.Reason == "" {
		b = append(b, `"about:blank"`...)
	} else {
		b = appendString(b, typePrefix+p.Reason)
	}
	b = appendString(append(b, `,"title":`...), cmp.Or(p.Title, http.StatusText(p.Status)))
	b = strconv.AppendInt(append(b, `,"status":`...), int64(p.Status), 10)
	b = appendString(append(b, `,"detail":`...), p.Detail)
	if p.Reason != "" {
		b = appendString(append(b, `,"reason":`...), p.Reason)
	}
	return append(AppendMetadata(b, p.Metadata), '}')
}

// AppendMetadata appends metadata as a member of an object, in the order of its names, unless it is empty.
func AppendMetadata(b []byte, metadata map[string]string) []byte {
	if len(metadata) == 0 {
		return b
	}
	b = append(b, `,"metadata":`...)
	separator := byte('{')
	for _, name := range slices.Sorted(maps.Keys(metadata)) {
		b = appendString(append(b, separator), name)
		b = appendString(append(b, ':'), metadata[name])
		separator = ','
	}
	return append(b, '}')
}

func appendString(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s) // its error is only that s is not UTF-8
	return b
}
