package h2

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"

	"golang.org/x/net/http2/hpack"
)

// headerTableBytes is the size of HPACK's dynamic table, which all lanes leave at its default.
const headerTableBytes = 4096

// RequestDecoder decodes the header blocks of a connection, one after another, and keeps what identifies the last
// request.
type RequestDecoder struct {
	decoder  *hpack.Decoder
	maxBytes uint32 // of a header list

	Method, Path, ContentType string
	Trailers                  bool // whether it has "te: trailers", as all gRPC requests do
	Proxied                   bool // whether a proxy added a header
	// Malformed reports whether the request has a field that HTTP/2 forbids because it is about a connection, or a
	// Content-Length that is not one number (RFC 9113, sections 8.1.1 and 8.2.2).
	Malformed bool
	// Unreadable reports whether the request has a timeout or metadata that no gRPC server can read.
	Unreadable    bool
	ContentLength int64 // -1: there is none

	// Keep makes the decoder keep all fields of the following requests, for Reencode.
	Keep   bool
	fields []hpack.HeaderField // empty unless Keep is set
	bytes  uint32              // total size of the fields, as HPACK counts it
}

// NewRequestDecoder returns a decoder of header lists of up to maxBytes.
func NewRequestDecoder(maxBytes int) *RequestDecoder {
	d := &RequestDecoder{maxBytes: uint32(maxBytes)}
	d.decoder = hpack.NewDecoder(headerTableBytes, d.field)
	d.decoder.SetMaxStringLength(maxBytes)
	return d
}

// Decode decodes the next block. After an error no further block can be decoded.
func (d *RequestDecoder) Decode(fragments [][]byte) error {
	d.Method, d.Path, d.ContentType = "", "", ""
	d.Trailers, d.Proxied, d.Malformed, d.Unreadable, d.ContentLength = false, false, false, false, -1
	d.fields, d.bytes = d.fields[:0], 0
	for _, fragment := range fragments {
		if _, err := d.decoder.Write(fragment); err != nil {
			return err
		}
	}
	return d.decoder.Close()
}

func (d *RequestDecoder) field(f hpack.HeaderField) {
	switch f.Name {
	case ":method":
		d.Method = f.Value
	case ":path":
		d.Path = f.Value
	case "content-type":
		d.ContentType = f.Value
	case "te":
		d.Trailers = f.Value == "trailers"
		d.Malformed = d.Malformed || !d.Trailers
	case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
		d.Malformed = true
	case "content-length":
		n, err := strconv.ParseUint(f.Value, 10, 63)
		d.Malformed = d.Malformed || err != nil || d.ContentLength >= 0 && d.ContentLength != int64(n)
		d.ContentLength = int64(n)
	case "via", "forwarded", "x-forwarded-for", "x-forwarded-proto":
		d.Proxied = true
	case "grpc-timeout":
		d.Unreadable = d.Unreadable || !isTimeout(f.Value)
	default:
		d.Unreadable = d.Unreadable || strings.HasSuffix(f.Name, "-bin") && !isBinary(f.Value)
	}
	if d.Keep && !d.TooLong() {
		d.bytes += f.Size()
		d.fields = append(d.fields, f)
	}
}

// isTimeout reports whether s is up to 8 digits and a unit.
func isTimeout(s string) bool {
	n := len(s) - 1
	return n >= 1 && n <= 8 && strings.IndexByte("HMSmun", s[n]) >= 0 && strings.Trim(s[:n], "0123456789") == ""
}

// isBinary reports whether s is base64, with or without padding.
func isBinary(s string) bool {
	_, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
	return err == nil
}

// TooLong reports whether the header list exceeds the limit. It is only known if Keep is set.
func (d *RequestDecoder) TooLong() bool { return d.bytes > d.maxBytes }

// Reencode returns the kept fields as a block that does not depend on the blocks before it.
func (d *RequestDecoder) Reencode() []byte {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	encoder.SetMaxDynamicTableSize(0)
	for _, f := range d.fields {
		_ = encoder.WriteField(f) // a bytes.Buffer returns no error
	}
	return block.Bytes()
}

// IsGRPC reports whether the request is gRPC.
func (d *RequestDecoder) IsGRPC() bool { return IsGRPC(d.ContentType) }

// IsGRPC reports whether a request of contentType is gRPC, by the rule that grpc-go applies. gRPC-Web is not.
func IsGRPC(contentType string) bool {
	rest, ok := strings.CutPrefix(contentType, "application/grpc")
	return ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
}
