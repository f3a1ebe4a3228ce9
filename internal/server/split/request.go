package split

import (
	"bytes"
	"net/http"
	"strings"

	"golang.org/x/net/http2/hpack"
)

// headerTableBytes is the size of HPACK's dynamic table that both servers leave at its default.
const headerTableBytes = 4096

// request reads the header blocks of a connection, one after the other, and keeps of each what matters.
type request struct {
	decoder  *hpack.Decoder
	maxBytes uint32 // of what is kept as a whole

	method, path, contentType string
	trailers                  bool // whether the client asks for trailers, which gRPC's do
	proxied                   bool // whether it came through a proxy

	keep   bool                // whether fields are kept, for rewrite
	fields []hpack.HeaderField // empty unless they are kept
	bytes  uint32              // of all fields
}

func newRequest(maxBytes uint32) *request {
	r := &request{maxBytes: maxBytes}
	r.decoder = hpack.NewDecoder(headerTableBytes, r.field)
	r.decoder.SetMaxStringLength(int(maxBytes))
	return r
}

// read reads the next block. An error means that no further block can be read.
func (r *request) read(fragments [][]byte) error {
	r.method, r.path, r.contentType = "", "", ""
	r.trailers, r.proxied = false, false
	r.fields, r.bytes = r.fields[:0], 0
	for _, fragment := range fragments {
		if _, err := r.decoder.Write(fragment); err != nil {
			return err
		}
	}
	return r.decoder.Close()
}

func (r *request) field(f hpack.HeaderField) {
	switch f.Name {
	case ":method":
		r.method = f.Value
	case ":path":
		r.path = f.Value
	case "content-type":
		r.contentType = f.Value
	case "te":
		r.trailers = f.Value == "trailers"
	case "via", "forwarded", "x-forwarded-for", "x-forwarded-proto":
		r.proxied = true
	}
	if r.keep && !r.tooLong() {
		r.bytes += f.Size()
		r.fields = append(r.fields, f)
	}
}

// tooLong reports whether the fields that were kept are more than a server would take.
func (r *request) tooLong() bool { return r.bytes > r.maxBytes }

// rewrite returns the fields as a block that does not depend on the blocks before it.
func (r *request) rewrite() []byte {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	encoder.SetMaxDynamicTableSize(0)
	for _, f := range r.fields {
		_ = encoder.WriteField(f) // a bytes.Buffer takes everything
	}
	return block.Bytes()
}

// isGRPC reports whether grpc-go takes the request for gRPC.
func (r *request) isGRPC() bool {
	rest, ok := strings.CutPrefix(r.contentType, "application/grpc")
	return ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
}

// belongsElsewhere reports whether a server of anything but gRPC has a better answer than grpc-go's 415. It
// has none for a gRPC client that says something else, nor for a procedure in no protocol's content type.
func (r *request) belongsElsewhere(procedures map[string]bool) bool {
	switch {
	case r.isGRPC(), r.trailers:
		return false
	case r.method != http.MethodPost || !procedures[r.path]:
		return true
	}
	for _, prefix := range []string{"application/grpc-web", "application/connect+", "application/proto", "application/json"} {
		if strings.HasPrefix(r.contentType, prefix) {
			return true
		}
	}
	return false
}
