package rest

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/admission"
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

// setEntryHeaders sets the headers that every response about an entry has.
func setEntryHeaders(h http.Header, tag string) {
	setCommonHeaders(h)
	h["Etag"] = []string{etag.Quote(tag)}
}

// writeBody sends the header and the body. The response to a HEAD request has only its length.
func writeBody(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	w.Header()["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // fails only if the caller has disconnected
	}
}

// writeEntry sends an entry in format f.
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

// writeJSON sends the document that add appends, with a newline for readers in a terminal. The caller sets the common
// headers.
func (a *api) writeJSON(w http.ResponseWriter, r request, status int, add func([]byte) []byte) {
	w.Header()["Content-Type"] = jsonType
	buffer := a.buffers.Get().(*[]byte)
	*buffer = append(add((*buffer)[:0]), '\n')
	writeBody(w, r.Request, status, *buffer)
	a.putBuffer(buffer)
}

// putBuffer returns a buffer to the pool.
func (a *api) putBuffer(buffer *[]byte) {
	if cap(*buffer) <= maxPooled {
		a.buffers.Put(buffer)
	}
}

// yieldBytes is how much of a document is encoded between yields to other requests. It takes less than a millisecond.
const yieldBytes = 256 << 10

// writeLarge sends the document that compose appends. While compose runs, the request holds one of the limiter's slots
// for large calls, which the calls made with compose's context share. The slot is released before the document is sent,
// because the caller may read slowly.
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
	ctx, cancel := a.withTimeout(r)
	defer cancel()
	if err := a.limiter.AcquireLarge(ctx); err != nil {
		return nil, err
	}
	defer a.limiter.ReleaseLarge(ctx)
	return compose(a.limiter.WithAcquired(ctx), b)
}

// yielder lets other requests run while a large document is encoded.
type yielder struct {
	limiter *admission.Limiter
	last    int // the length of the document at the last yield
}

func (a *api) newYielder(b []byte) yielder { return yielder{a.limiter, len(b)} }

// grown yields if the document, which is now b, has grown by yieldBytes since the last yield.
func (y *yielder) grown(b []byte) {
	if len(b)-y.last >= yieldBytes {
		y.limiter.Yield()
		y.last = len(b)
	}
}
