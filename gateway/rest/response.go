package rest

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"unsafe"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/admission"
	"key-value/internal/contract"
	"key-value/internal/contract/etag"
)

// maxPooled bounds the buffers that are kept for another response, in bytes.
const maxPooled = 64 << 10

// Values of headers, shared by all responses and never written to.
var (
	noSniff      = []string{"nosniff"}
	cacheControl = []string{"no-store"}
	vary         = []string{"Accept, X-Api-Key, Authorization"}
	jsonType     = []string{"application/json"}
	textType     = []string{"text/plain; charset=utf-8"}
	bytesType    = []string{"application/octet-stream"}
)

// setCommonHeaders sets the headers that every response has. It adds to a Vary header that a middleware has set.
//
// Caches must not store responses: an etag names a version of the entry whatever its format, so a cache holding the JSON
// form that revalidates it for a request for text would get 304 (RFC 9110, section 8.8.1).
func setCommonHeaders(h http.Header) {
	h["X-Content-Type-Options"] = noSniff
	h["Cache-Control"] = cacheControl
	if outer := h["Vary"]; len(outer) > 0 {
		h["Vary"] = append(slices.Clip(outer), vary...)
	} else {
		h["Vary"] = vary
	}
}

// setEntryHeaders sets the headers that every response about an entry has. Their values are parts of one text. Length is
// that of the body, negative for a response without one.
func setEntryHeaders(h http.Header, r request, entry *keyvaluev1.Entry, length int) {
	setCommonHeaders(h)
	var buffer [128]byte
	b := append(buffer[:0], etag.Quote(entry.GetEtag())...)
	tag := len(b)
	b = strconv.AppendUint(b, entry.GetRevision(), 10)
	revision := len(b)
	b = strconv.AppendInt(b, int64(length), 10)
	size := len(b)
	if r.dated {
		b = lastModified(entry).AppendFormat(b, http.TimeFormat)
	}
	text, values := string(b), &r.serving.values
	*values = [...]string{text[:tag], text[tag:revision], text[revision:size], text[size:]}
	h["Etag"] = values[0:1:1]
	if entry.GetRevision() != 0 {
		h["Kv-Revision"] = values[1:2:2]
	}
	if length >= 0 {
		h["Content-Length"] = values[2:3:3]
	}
	if r.dated {
		h["Last-Modified"] = values[3:4:4]
	}
}

// setRevision sets the header with a revision, unless it is zero.
func setRevision(h http.Header, revision uint64) {
	if revision != 0 {
		h["Kv-Revision"] = []string{strconv.FormatUint(revision, 10)}
	}
}

// writeEntryBody sends the header and the body of a response about an entry.
func writeEntryBody(w http.ResponseWriter, r request, status int, entry *keyvaluev1.Entry, contentType []string, body []byte) {
	setEntryHeaders(w.Header(), r, entry, len(body))
	w.Header()["Content-Type"] = contentType
	send(w, r.Request, status, body)
}

// writeBody sends the header and the body.
func writeBody(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	w.Header()["Content-Length"] = []string{strconv.Itoa(len(body))}
	send(w, r, status, body)
}

// send sends the header, which has the length of the body, and the body unless r is a HEAD request.
func send(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // fails only if the caller has disconnected
	}
}

// writeEntry sends an entry in format f. It returns OVERLOADED if the budget has no room for it.
func (a *api) writeEntry(w http.ResponseWriter, r request, status int, entry *keyvaluev1.Entry, f format) error {
	size := int64(len(entry.GetValue()) + len(entry.GetData()))
	if size < smallBytes {
		r.account = nil // it is part of what a request may use
	}
	// The message counts as well: what it refers to may have been overwritten.
	if err := r.account.Add(size); err != nil {
		return err
	}
	switch f {
	case formatText:
		writeEntryBody(w, r, status, entry, textType, bytesOf(entry.GetValue()))
	case formatBytes:
		writeEntryBody(w, r, status, entry, bytesType, content(entry))
	default:
		document, err := a.encodeEntry(r, entry, size)
		if err != nil {
			return err
		}
		defer a.putBuffer(document)
		writeEntryBody(w, r, status, entry, jsonType, *document)
	}
	return nil
}

// encodeEntry returns entry as a document, with a newline for readers in a terminal. Its content has size bytes. The caller
// returns the document to the pool.
func (a *api) encodeEntry(r request, entry *keyvaluev1.Entry, size int64) (*[]byte, error) {
	if err := r.account.Add(size); err != nil {
		return nil, err
	}
	document := a.buffers.Get().(*[]byte)
	*document = append(appendEntry((*document)[:0], entry, 0), '\n')
	if err := r.account.Add(int64(len(*document)) - size); err != nil {
		a.putBuffer(document)
		return nil, err
	}
	return document, nil
}

// bytesOf returns s as bytes, which must not be modified, without copying it.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// putBuffer returns a buffer to the pool.
func (a *api) putBuffer(buffer *[]byte) {
	if cap(*buffer) <= maxPooled {
		a.buffers.Put(buffer)
	}
}

// smallBytes is the size from which the content of an entry is charged to the account of the request.
const smallBytes = 2 << 10

// writeLarge sends the document that compose appends. While compose runs, the request holds one of the limiter's slots
// for large calls, which the calls made with compose's context share. The slot is released before the document is sent,
// because the caller may read slowly; the memory is not.
func (a *api) writeLarge(
	w http.ResponseWriter, r request, compose func(ctx context.Context, b []byte) ([]byte, error),
) error {
	buffer := a.buffers.Get().(*[]byte)
	defer a.putBuffer(buffer)
	document, err := a.composeLarge(r, (*buffer)[:0], compose)
	if err != nil {
		return err
	}
	*buffer = append(document, '\n')
	setCommonHeaders(w.Header())
	w.Header()["Content-Type"] = jsonType
	writeBody(w, r.Request, http.StatusOK, *buffer)
	return nil
}

func (a *api) composeLarge(
	r request, b []byte, compose func(ctx context.Context, b []byte) ([]byte, error),
) ([]byte, error) {
	ctx := a.withTimeout(r)
	defer ctx.Cancel()
	if err := a.limiter.AcquireLarge(ctx); err != nil {
		return nil, err
	}
	defer a.limiter.ReleaseLarge(ctx)
	return compose(a.limiter.WithAcquired(ctx), b)
}

// progress charges a large document to the account of its request as it grows.
type progress struct {
	account *admission.Account
	message int64 // what was charged for the message, in bytes
	charged int   // what was charged of the document, in bytes
}

// begin begins the document of a response that was made from message, and returns a buffer for it. It is expected to have
// size bytes. It returns OVERLOADED if the budget has no room for both.
func begin(r request, b []byte, message any, size int) ([]byte, progress, error) {
	// The message counts as well: what it refers to may have been overwritten.
	content := int64(contract.ContentBytes(message))
	if err := r.account.Add(content + int64(size)); err != nil {
		return nil, progress{}, err
	}
	return slices.Grow(b, size), progress{r.account, content, size}, nil
}

// end is called when the document is complete, or was given up. Nothing refers to the message any longer.
func (p *progress) end() { p.account.Drop(p.message) }

// grown is called when the document, which is now b, has grown. It returns OVERLOADED if the budget has no room for it.
func (p *progress) grown(b []byte) error {
	if len(b) <= p.charged {
		return nil
	}
	more := max(len(b), 2*p.charged) - p.charged // the buffer doubles as well
	p.charged += more
	return p.account.Add(int64(more))
}
