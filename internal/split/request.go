package split

import (
	"strings"

	"golang.org/x/net/http2/hpack"
)

// headerTableBytes is the size of HPACK's dynamic table that both servers leave at its default.
const headerTableBytes = 4096

// request decodes the header blocks of a connection, one after the other, and keeps of each what matters.
type request struct {
	decoder *hpack.Decoder
	grpc    bool // whether the content type is one that grpc-go serves
	proxied bool // whether it came through a proxy
}

func newRequest(maxStringBytes uint32) *request {
	r := &request{}
	r.decoder = hpack.NewDecoder(headerTableBytes, r.field)
	r.decoder.SetMaxStringLength(int(maxStringBytes))
	return r
}

// read reads the next block. An error means that no further block can be read.
func (r *request) read(fragments [][]byte) error {
	r.grpc, r.proxied = false, false
	for _, fragment := range fragments {
		if _, err := r.decoder.Write(fragment); err != nil {
			return err
		}
	}
	return r.decoder.Close()
}

func (r *request) field(f hpack.HeaderField) {
	switch f.Name {
	case "content-type":
		r.grpc = isGRPC(f.Value)
	case "via", "forwarded", "x-forwarded-for", "x-forwarded-proto":
		r.proxied = true
	}
}

// isGRPC reports whether grpc-go serves the content type as connecthttp would.
func isGRPC(contentType string) bool {
	rest, ok := strings.CutPrefix(contentType, "application/grpc")
	return ok && (rest == "" || rest == "+proto" || rest == "+json")
}
