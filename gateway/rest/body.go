package rest

import (
	"bytes"
	"errors"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"

	"connectrpc.com/connect/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"key-value/internal/admission"
	"key-value/internal/contract"
	"key-value/internal/contract/messagejson"
)

// maxPreallocated bounds the buffer allocated for a body before any of it arrives, in bytes.
const maxPreallocated = 64 << 10

const bodyTooLong = "the body exceeds %d bytes"

// Media types of bodies.
const (
	mediaJSON      = "application/json"
	mediaMerge     = "application/merge-patch+json" // RFC 7396
	mediaText      = "text/plain"
	mediaBytes     = "application/octet-stream"
	mediaForm      = "application/x-www-form-urlencoded"
	mediaMultipart = "multipart/form-data"
)

// requireJSON decodes the body of a request on a route that accepts only JSON, such as example. TooLarge is the reason for a
// body that is too long.
func (a *api) requireJSON(w http.ResponseWriter, r request, into any, example string, tooLarge contract.Reason) error {
	if _, err := mediaType(w, r.Header, "JSON such as "+example, mediaJSON); err != nil {
		return err
	}
	return a.readJSON(w, r, into, tooLarge)
}

// readJSON decodes a JSON body whose media type was checked. TooLarge is the reason for a body that is too long.
func (a *api) readJSON(w http.ResponseWriter, r request, into any, tooLarge contract.Reason) error {
	body := a.bodies.Get().(*bytes.Buffer)
	defer a.putBody(body)
	if err := readBody(w, r, body, a.maxBody, tooLarge); err != nil {
		return err
	}
	defer admission.Decoded(r.Body)
	return decodeJSON(body.Bytes(), into) // which copies what it keeps
}

// putBody returns a body to the pool.
func (a *api) putBody(body *bytes.Buffer) {
	if body.Cap() <= maxPooled {
		body.Reset()
		a.bodies.Put(body)
	}
}

// readBody reads a body of at most bound bytes. It reads nothing if the Content-Length exceeds bound.
func readBody(w http.ResponseWriter, r request, body *bytes.Buffer, bound int, tooLarge contract.Reason) error {
	if err := checkWhole(w, r.Header); err != nil {
		return err
	}
	if r.ContentLength > int64(bound) {
		return tooLarge.Errorf(bodyTooLong, bound)
	}
	body.Grow(int(min(r.ContentLength+1, maxPreallocated)) + bytes.MinRead)
	bounded := r.Body // by its length, if that is known
	if r.ContentLength <= 0 {
		bounded = http.MaxBytesReader(w, r.Body, int64(bound))
	}
	_, err := body.ReadFrom(bounded)
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge.Errorf(bodyTooLong, bound)
	}
	if overloaded, ok := errors.AsType[*connect.Error](err); ok {
		return overloaded
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return bodyTooSlow(r, w, body.Len())
	}
	return contract.RequestInvalid.Errorf("incomplete body: it ended after %d bytes", body.Len())
}

// errTooSlow is the cause of an error for a body that the server stopped waiting for.
var errTooSlow = errors.New("slow body")

// bodyTooSlow returns the error for a body of which only n bytes have arrived in time. The connection cannot be used
// again, because the rest of the body may still come.
func bodyTooSlow(r request, w http.ResponseWriter, n int) error {
	if r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
	return contract.DeadlineExceeded.Errorf("the body arrived too slowly: %d bytes were read, and nothing was changed", n).
		WithCause(errTooSlow)
}

// mediaType returns the media type of a body, which is one of supported, or "" without a Content-Type. Want says what the body
// is.
func mediaType(w http.ResponseWriter, h http.Header, want string, supported ...string) (string, error) {
	if lines := h["Content-Type"]; len(lines) == 1 && slices.Contains(supported, lines[0]) {
		return lines[0], nil
	}
	media, ok := parseContentType(h["Content-Type"])
	if ok && (media == "" || slices.Contains(supported, media)) {
		return media, nil
	}
	known := strings.Join(supported, ", ")
	w.Header().Set("Accept", known)
	if media == mediaForm || media == mediaMultipart {
		return "", mediaTypeUnsupported.Errorf("unexpected form: want %s; curl -d and -F send forms by default, "+
			"so add -H 'Content-Type: %s'", want, supported[0])
	}
	return "", mediaTypeUnsupported.Errorf("unsupported Content-Type %q: want %s, in UTF-8",
		strings.Join(h["Content-Type"], ", "), known)
}

// parseContentType returns the media type of a Content-Type header, or "" if there is no header. It returns false if the
// header is malformed or has a charset other than UTF-8.
func parseContentType(lines []string) (string, bool) {
	if len(lines) == 0 || len(lines) == 1 && lines[0] == "" {
		return "", true
	}
	media, params, err := mime.ParseMediaType(lines[0])
	charset, ok := params["charset"]
	return media, err == nil && len(lines) == 1 && (!ok || strings.EqualFold(charset, "utf-8"))
}

// checkWhole rejects compressed bodies, which nothing here decompresses, and parts of a value, such as those of curl -C.
func checkWhole(w http.ResponseWriter, h http.Header) error {
	if len(h["Content-Range"]) > 0 {
		return contract.RequestInvalid.Errorf("Content-Range is not supported: write the whole value")
	}
	encoding := strings.Join(h["Content-Encoding"], ", ")
	if encoding == "" || strings.EqualFold(encoding, "identity") {
		return nil
	}
	w.Header().Set("Accept-Encoding", "identity")
	return mediaTypeUnsupported.Errorf("unsupported Content-Encoding %q: send the body uncompressed", encoding)
}

// plainReader decodes bodies in the form that most have. For others readPlain returns false and changes nothing.
type plainReader interface{ readPlain(body []byte) bool }

// decodeJSON decodes body, exactly one JSON value, into the value that into points to. It rejects unknown and repeated
// members, trailing data and invalid Unicode. It returns a *connect.Error of a method of into unchanged.
func decodeJSON(body []byte, into any) error {
	if err := messagejson.CheckMark(body); err != nil {
		return contract.RequestInvalid.Errorf("invalid JSON body: %v", err)
	}
	if p, ok := into.(plainReader); ok && p.readPlain(body) {
		return nil
	}
	err := json.Unmarshal(body, into, json.RejectUnknownMembers(true))
	if err == nil {
		return nil
	}
	if coded, ok := errors.AsType[*connect.Error](err); ok {
		return coded
	}
	offset, pointer, what := describe(err)
	if pointer == "" {
		return contract.RequestInvalid.Errorf("invalid JSON body at byte %d: %s", offset, what)
	}
	return contract.RequestInvalid.Errorf("invalid JSON body at byte %d, field %s: %s", offset, pointer, what)
}

// describe returns the position of err in the JSON text and its cause, without the names of Go types.
func describe(err error) (offset int64, pointer jsontext.Pointer, what string) {
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return e.ByteOffset, e.JSONPointer, e.Err.Error()
	}
	e, ok := errors.AsType[*json.SemanticError](err)
	switch {
	case !ok:
		return 0, "", "unreadable"
	case e.Err != nil:
		return e.ByteOffset, e.JSONPointer, e.Err.Error()
	}
	return e.ByteOffset, e.JSONPointer, "unexpected " + typeName(e.JSONKind)
}

func typeName(k jsontext.Kind) string {
	switch k {
	case '{', '}':
		return "object"
	case '[', ']':
		return "array"
	case 't', 'f':
		return "boolean"
	}
	return k.String()
}
