package rest

import (
	"bytes"
	"errors"
	"mime"
	"net/http"
	"slices"
	"strings"

	"connectrpc.com/connect/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"key-value/internal/contract"
)

// maxGrown is how much room a body gets, in bytes, before any of it has arrived.
const maxGrown = 64 << 10

const longBody = "the body exceeds %d bytes"

// Media types of bodies.
const (
	mediaJSON      = "application/json"
	mediaMerge     = "application/merge-patch+json" // RFC 7396
	mediaText      = "text/plain"
	mediaBytes     = "application/octet-stream"
	mediaForm      = "application/x-www-form-urlencoded"
	mediaMultipart = "multipart/form-data"
)

// jsonOf reads the body of a request that has nothing but JSON.
func (a *api) jsonOf(w http.ResponseWriter, r request, into any, tooLarge contract.Reason) error {
	if _, err := mediaType(w, r.Header, mediaJSON); err != nil {
		return err
	}
	return a.readJSON(w, r, into, tooLarge)
}

// readJSON reads a body whose media type was checked. TooLarge is why one is refused that is too long.
func (a *api) readJSON(w http.ResponseWriter, r request, into any, tooLarge contract.Reason) error {
	body, err := readBody(w, r, a.maxBody, tooLarge)
	if err != nil {
		return err
	}
	return decodeJSON(body, into)
}

// readBody reads a body of bound bytes at most. Of one that says it is longer, nothing is read.
func readBody(w http.ResponseWriter, r request, bound int, tooLarge contract.Reason) ([]byte, error) {
	if err := checkWhole(w, r.Header); err != nil {
		return nil, err
	}
	if r.ContentLength > int64(bound) {
		return nil, tooLarge.Errorf(longBody, bound)
	}
	var body bytes.Buffer
	body.Grow(int(min(r.ContentLength+1, maxGrown)) + bytes.MinRead)
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, int64(bound)))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, tooLarge.Errorf(longBody, bound)
	}
	if err != nil {
		return nil, contract.RequestInvalid.Errorf("incomplete body: it ended after %d bytes", body.Len())
	}
	return body.Bytes(), nil
}

// mediaType returns the media type of a body, which is one of supported, or "" if nobody says what it is.
func mediaType(w http.ResponseWriter, h http.Header, supported ...string) (string, error) {
	media, ok := parseContentType(h["Content-Type"])
	if ok && (media == "" || slices.Contains(supported, media)) {
		return media, nil
	}
	known := strings.Join(supported, ", ")
	w.Header().Set("Accept", known)
	if media == mediaForm || media == mediaMultipart {
		return "", mediaTypeUnsupported.Errorf("a form is not a value: curl -d and -F send forms by default; "+
			"add -H 'Content-Type: %s'", supported[0])
	}
	return "", mediaTypeUnsupported.Errorf("unsupported Content-Type %q: want %s, in UTF-8",
		strings.Join(h["Content-Type"], ", "), known)
}

// parseContentType returns the media type that a Content-Type header names, "" if there is none, or false
// if it cannot be told or has another charset than UTF-8.
func parseContentType(lines []string) (string, bool) {
	if len(lines) == 0 || len(lines) == 1 && lines[0] == "" {
		return "", true
	}
	media, params, err := mime.ParseMediaType(lines[0])
	charset, ok := params["charset"]
	return media, err == nil && len(lines) == 1 && (!ok || strings.EqualFold(charset, "utf-8"))
}

// checkWhole refuses bodies that are compressed, because nothing here unpacks, and those that are a part of
// a value, as curl -C sends them.
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

// decodeJSON reads one JSON value that fills into exactly: no unknown or repeated member, no other type,
// nothing behind it, and only Unicode. An error that a part of into has coded itself stays as it is.
func decodeJSON(body []byte, into any) error {
	err := json.Unmarshal(body, into, json.RejectUnknownMembers(true))
	if err == nil {
		return nil
	}
	if refused, ok := errors.AsType[*connect.Error](err); ok {
		return refused
	}
	offset, pointer, what := describe(err)
	if pointer == "" {
		return contract.RequestInvalid.Errorf("invalid JSON body at byte %d: %s", offset, what)
	}
	return contract.RequestInvalid.Errorf("invalid JSON body at byte %d, field %s: %s", offset, pointer, what)
}

// describe says where in the JSON text and why err came about, without the names of Go types.
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
