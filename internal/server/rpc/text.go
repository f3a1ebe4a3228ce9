package rpc

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
)

// gRPC-Web has a second form, for browsers whose XMLHttpRequest shows a stream as text only: bodies are in base64. It may
// be padded wherever the sender has flushed, not only at the end.
const (
	typeBinary = "application/grpc-web"
	typeText   = "application/grpc-web-text"
)

// cutText returns what follows typeText in a content type, such as +proto, or false if it is another one.
func cutText(contentType string) (subtype string, ok bool) {
	if len(contentType) < len(typeText) || !strings.EqualFold(contentType[:len(typeText)], typeText) {
		return "", false
	}
	return contentType[len(typeText):], true
}

// withText returns a handler that serves requests in the text form too, as next serves those in the binary form.
func withText(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		subtype, ok := cutText(r.Header.Get("Content-Type"))
		if !ok || r.Method != http.MethodPost {
			next.ServeHTTP(w, r)
			return
		}
		text := &textWriter{ResponseWriter: w}
		defer text.end()
		next.ServeHTTP(text, decoded(r, subtype))
	})
}

// decoded returns r, whose content type is typeText and subtype, as a request in the binary form.
func decoded(r *http.Request, subtype string) *http.Request {
	binary := *r
	binary.Header = r.Header.Clone()
	binary.Header.Set("Content-Type", typeBinary+subtype)
	binary.Header.Del("Content-Length")
	binary.ContentLength = -1
	binary.Body = &textReader{ReadCloser: r.Body}
	return &binary
}

// textReader decodes a body.
type textReader struct {
	io.ReadCloser
	in      [4 << 10]byte // not decoded
	pending int           // bytes of in
	out     []byte        // decoded
	err     error         // once out is read
}

var errText = invalid("invalid body: want padded base64, which %s is", typeText)

// Read implements [io.Reader].
func (t *textReader) Read(p []byte) (int, error) {
	for len(t.out) == 0 {
		if t.err != nil {
			return 0, t.err
		}
		n, err := t.ReadCloser.Read(t.in[t.pending:])
		t.pending += n
		whole := t.pending / 4 * 4
		t.out, t.err = decodeChunks(t.out[:0], t.in[:whole])
		t.pending = copy(t.in[:], t.in[whole:t.pending])
		switch {
		case t.err != nil:
		case errors.Is(err, io.EOF) && t.pending > 0:
			t.err = errText
		default:
			t.err = err
		}
	}
	n := copy(p, t.out)
	t.out = t.out[n:]
	return n, nil
}

// decodeChunks appends to out what is decoded from text, each part of which may be padded. Its length is a multiple of 4.
func decodeChunks(out, text []byte) ([]byte, error) {
	for len(text) > 0 {
		end := len(text)
		if i := bytes.IndexByte(text, '='); i >= 0 {
			end = i/4*4 + 4
		}
		var err error
		if out, err = base64.StdEncoding.AppendDecode(out, text[:end]); err != nil {
			return out, errText
		}
		text = text[end:]
	}
	return out, nil
}

// textWriter encodes a response in the binary form. Others, such as refusals, it passes on.
type textWriter struct {
	http.ResponseWriter
	begun   bool
	encode  bool
	pending []byte // not encoded; between writes, up to two bytes that wait for a third
	out     []byte // encoded
}

// begin decides whether the response is encoded, before its headers are written.
func (t *textWriter) begin() {
	if t.begun {
		return
	}
	t.begun = true
	header := t.Header()
	if subtype, ok := strings.CutPrefix(header.Get("Content-Type"), typeBinary); ok {
		t.encode = true
		header.Set("Content-Type", typeText+subtype)
	}
}

// WriteHeader implements [http.ResponseWriter].
func (t *textWriter) WriteHeader(status int) {
	t.begin()
	t.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (t *textWriter) Write(p []byte) (int, error) {
	t.begin()
	if !t.encode {
		return t.ResponseWriter.Write(p)
	}
	for rest := p; len(rest) > 0; {
		n := min(len(rest), pieceBytes)
		t.pending = append(t.pending, rest[:n]...)
		if err := t.writeEncoded(len(t.pending) / 3 * 3); err != nil {
			return 0, err
		}
		rest = rest[n:]
	}
	return len(p), nil
}

// pieceBytes is how much of a response is encoded at once.
const pieceBytes = 12 << 10

// writeEncoded encodes and writes the first n pending bytes.
func (t *textWriter) writeEncoded(n int) error {
	if n == 0 {
		return nil
	}
	t.out = base64.StdEncoding.AppendEncode(t.out[:0], t.pending[:n])
	_, err := t.ResponseWriter.Write(t.out)
	t.pending = append(t.pending[:0], t.pending[n:]...)
	return err
}

// end ends the response, which may have no body.
func (t *textWriter) end() {
	t.begin()
	_ = t.writeEncoded(len(t.pending))
}

// Flush implements [http.Flusher], which connecthttp requires.
func (t *textWriter) Flush() { _ = t.FlushError() }

// FlushError is the method that [http.ResponseController] calls.
func (t *textWriter) FlushError() error {
	t.begin()
	if err := t.writeEncoded(len(t.pending)); err != nil {
		return err
	}
	return http.NewResponseController(t.ResponseWriter).Flush()
}

// Unwrap lets [http.ResponseController] find the methods of the wrapped writer.
func (t *textWriter) Unwrap() http.ResponseWriter { return t.ResponseWriter }
