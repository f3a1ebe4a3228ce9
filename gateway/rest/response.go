package rest

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract/etag"
)

// maxKept is how large a buffer may be, in bytes, to be used for another answer.
const maxKept = 64 << 10

// Values of headers, shared by all answers and never written to.
var (
	noSniff      = []string{"nosniff"}
	cacheControl = []string{"no-store"}
	vary         = []string{"Accept, X-Api-Key, Authorization"}
	jsonType     = []string{"application/json"}
	textType     = []string{"text/plain; charset=utf-8"}
	bytesType    = []string{"application/octet-stream"}
)

// setCommonHeaders sets what every answer has. A Vary from outside is kept.
//
// Nothing is left to caches: an etag names a version of the entry, in whichever format it is sent, and a cache
// that holds JSON and asks for text with its etag would be told that what it holds is good (RFC 9110, section
// 8.8.1). Who sends If-None-Match on purpose knows what it has.
func setCommonHeaders(h http.Header) {
	h["X-Content-Type-Options"] = noSniff
	h["Cache-Control"] = cacheControl
	if outer := h["Vary"]; len(outer) > 0 {
		h["Vary"] = append(slices.Clip(outer), vary...)
	} else {
		h["Vary"] = vary
	}
}

// setEntryHeaders sets what an answer about an entry has.
func setEntryHeaders(h http.Header, tag string) {
	setCommonHeaders(h)
	h["Etag"] = []string{etag.Quote(tag)}
}

// writeBody sends the header and a body. A HEAD request gets its length alone.
func writeBody(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	w.Header()["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // it fails only if the caller is gone
	}
}

// writeEntry answers with an entry in format f.
func (a *api) writeEntry(w http.ResponseWriter, r request, status int, entry *keyvaluev1.Entry, f format) {
	h := w.Header()
	setEntryHeaders(h, entry.GetEtag())
	switch f {
	case formatText:
		h["Content-Type"] = textType
		writeBody(w, r.Request, status, []byte(entry.GetValue()))
	case formatBytes:
		h["Content-Type"] = bytesType
		writeBody(w, r.Request, status, content(entry))
	default:
		a.writeJSON(w, r, status, func(b []byte) []byte { return appendEntry(b, entry, 0) })
	}
}

// writeJSON answers with the document that add appends, and a newline for those who read it in a terminal.
// The common headers are set before.
func (a *api) writeJSON(w http.ResponseWriter, r request, status int, add func([]byte) []byte) {
	w.Header()["Content-Type"] = jsonType
	buffer := a.buffers.Get().(*[]byte)
	*buffer = append(add((*buffer)[:0]), '\n')
	writeBody(w, r.Request, status, *buffer)
	a.keep(buffer)
}

// keep takes a buffer back that nobody reads any more.
func (a *api) keep(buffer *[]byte) {
	if cap(*buffer) <= maxKept {
		a.buffers.Put(buffer)
	}
}

// members says which members an entry has in JSON beside those that it always has. An answer about one entry
// has its etag in a header.
type members uint8

const (
	withETag members = 1 << iota
	withUpdateTime
)

// appendEntry appends an entry as a JSON object.
func appendEntry(b []byte, entry *keyvaluev1.Entry, extra members) []byte {
	b = append(b, `{"key":`...)
	b = appendString(b, entry.GetKey())
	switch content := entry.GetContent().(type) {
	case *keyvaluev1.Entry_Value:
		b = append(b, `,"value":`...)
		b = appendString(b, content.Value)
	case *keyvaluev1.Entry_Data:
		b = append(b, `,"data":"`...)
		b = base64.StdEncoding.AppendEncode(b, content.Data)
		b = append(b, '"')
	}
	if extra&withETag != 0 {
		b = append(b, `,"etag":`...)
		b = appendString(b, entry.GetEtag())
	}
	if extra&withUpdateTime != 0 {
		b = appendTime(b, `,"updateTime":`, entry.GetUpdateTime())
	}
	return append(appendTime(b, `,"expireTime":`, entry.GetExpireTime()), '}')
}

// appendTime appends a member of an object, unless it is not set.
func appendTime(b []byte, name string, t *timestamppb.Timestamp) []byte {
	if t == nil {
		return b
	}
	b = append(append(b, name...), '"')
	return append(t.AsTime().AppendFormat(b, time.RFC3339Nano), '"')
}

// content returns what is stored, as bytes.
func content(entry *keyvaluev1.Entry) []byte {
	if data, ok := entry.GetContent().(*keyvaluev1.Entry_Data); ok {
		return data.Data
	}
	return []byte(entry.GetValue())
}

// isText reports whether what is stored is text.
func isText(entry *keyvaluev1.Entry) bool {
	_, ok := entry.GetContent().(*keyvaluev1.Entry_Value)
	return ok
}
