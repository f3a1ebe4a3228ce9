package h2

import (
	"bytes"
	"strings"

	"golang.org/x/net/http2/hpack"
)

// headerTableBytes is the size of HPACK's dynamic table that both servers leave at its default.
const headerTableBytes = 4096

// request reads the header blocks of a connection, one after the other, and keeps of each what matters.
type RequestDecoder struct {
	decoder  *hpack.Decoder
	maxBytes uint32 // of what is kept as a whole

	Method, Path, ContentType string
	Trailers                  bool // whether the client asks for trailers, which gRPC's do
	Proxied                   bool // whether it came through a proxy

	Keep   bool                // whether fields are kept, for rewrite
	fields []hpack.HeaderField // empty unless they are kept
	bytes  uint32              // of all fields
}

func NewRequestDecoder(maxBytes uint32) *RequestDecoder {
	r := &RequestDecoder{maxBytes: maxBytes}
	r.decoder = hpack.NewDecoder(headerTableBytes, r.field)
	r.decoder.SetMaxStringLength(int(maxBytes))
	return r
}

// read reads the next block. An error means that no further block can be read.
func (r *RequestDecoder) Read(fragments [][]byte) error {
	r.Method, r.Path, r.ContentType = "", "", ""
	r.Trailers, r.Proxied = false, false
	r.fields, r.bytes = r.fields[:0], 0
	for _, fragment := range fragments {
		if _, err := r.decoder.Write(fragment); err != nil {
			return err
		}
	}
	return r.decoder.Close()
}

func (r *RequestDecoder) field(f hpack.HeaderField) {
	switch f.Name {
	case ":method":
		r.Method = f.Value
	case ":path":
		r.Path = f.Value
	case "content-type":
		r.ContentType = f.Value
	case "te":
		r.Trailers = f.Value == "trailers"
	case "via", "forwarded", "x-forwarded-for", "x-forwarded-proto":
		r.Proxied = true
	}
	if r.Keep && !r.TooLong() {
		r.bytes += f.Size()
		r.fields = append(r.fields, f)
	}
}

// tooLong reports whether the fields that were kept are more than a server would take.
func (r *RequestDecoder) TooLong() bool { return r.bytes > r.maxBytes }

// rewrite returns the fields as a block that does not depend on the blocks before it.
func (r *RequestDecoder) Rewrite() []byte {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	encoder.SetMaxDynamicTableSize(0)
	for _, f := range r.fields {
		_ = encoder.WriteField(f) // a bytes.Buffer takes everything
	}
	return block.Bytes()
}

// isGRPC reports whether grpc-go takes the request for gRPC.
func (r *RequestDecoder) IsGRPC() bool {
	rest, ok := strings.CutPrefix(r.ContentType, "application/grpc")
	return ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
}
