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

// pieceBytes is how much of an answer is made in one go, which takes less than a millisecond.
const pieceBytes = 256 << 10

// answerInTurn answers r with the document that compose appends, made in one turn of the limiter: calls of compose with
// its ctx belong to it. It is written behind the turn, because the caller may read slowly.
func (a *api) answerInTurn(
	w http.ResponseWriter, r request, compose func(ctx context.Context, b []byte) ([]byte, error),
) error {
	buffer := a.buffers.Get().(*[]byte)
	defer a.keep(buffer)
	document, err := a.inTurn(r, (*buffer)[:0], compose)
	if err != nil {
		return err
	}
	*buffer = append(document, '\n')
	setCommonHeaders(w.Header())
	w.Header()["Content-Type"] = jsonType
	writeBody(w, r.Request, http.StatusOK, *buffer)
	return nil
}

func (a *api) inTurn(
	r request, b []byte, compose func(ctx context.Context, b []byte) ([]byte, error),
) ([]byte, error) {
	ctx, cancel := a.deadline(r)
	defer cancel()
	if err := a.limiter.AcquireLarge(ctx); err != nil {
		return nil, err
	}
	defer a.limiter.ReleaseLarge(ctx)
	return compose(a.limiter.WithAcquired(ctx), b)
}

// pieces has others looked at between the pieces of a document that is being made.
type pieces struct {
	limiter *admission.Limiter
	begin   int // of the current piece
}

func (a *api) inPieces(b []byte) pieces { return pieces{a.limiter, len(b)} }

// next is told what the document has become.
func (p *pieces) next(b []byte) {
	if len(b)-p.begin >= pieceBytes {
		p.limiter.Yield()
		p.begin = len(b)
	}
}
