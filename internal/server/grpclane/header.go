package grpclane

import (
	"net/textproto"
	"strings"

	"connectrpc.com/connect/v2"
	"google.golang.org/grpc/metadata"
)

// binarySuffix ends the names of headers whose values are bytes. grpc-go has them decoded, connect in base64.
const binarySuffix = "-bin"

// readHeader copies the metadata of a request into header, which shares its values.
func readHeader(header *connect.Header, md metadata.MD) {
	for name, values := range md {
		switch {
		case name == ":authority":
			name = "host"
		case name == "" || name[0] == ':':
			continue
		case strings.HasSuffix(name, binarySuffix):
			values = encoded(values)
		}
		header.SetValues(textproto.CanonicalMIMEHeaderKey(name), values)
	}
}

func encoded(values []string) []string {
	out := make([]string, len(values))
	for i, value := range values {
		out[i] = connect.EncodeBinaryHeader([]byte(value))
	}
	return out
}

// writeHeader returns header as metadata, without what only the protocol may set and what cannot be sent.
func writeHeader(header *connect.Header) metadata.MD {
	md := make(metadata.MD, header.Len())
	for name, values := range header.All() {
		name = strings.ToLower(name)
		switch {
		case reserved(name) || !validName(name):
		case strings.HasSuffix(name, binarySuffix):
			md[name] = decoded(values)
		default:
			md[name] = printable(values)
		}
	}
	return md
}

// reserved are the headers that connecthttp keeps to itself.
func reserved(name string) bool {
	switch name {
	case "content-type", "content-length", "content-encoding", "trailer", "date", "accept-encoding",
		"connect-content-encoding", "connect-accept-encoding", "connect-timeout-ms", "connect-protocol-version":
		return true
	}
	return strings.HasPrefix(name, "grpc-")
}

// validName reports whether name, in lower case, can be sent as metadata.
func validName(name string) bool {
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return name != ""
}

func decoded(values []string) []string {
	var out []string
	for _, value := range values {
		for one := range strings.SplitSeq(value, ",") {
			data, err := connect.DecodeBinaryHeader(strings.TrimSpace(one))
			if err == nil {
				out = append(out, string(data))
			}
		}
	}
	return out
}

// printable returns the values that consist of printable ASCII.
func printable(values []string) []string {
	out := make([]string, 0, len(values))
	for _, value := range values {
		if strings.IndexFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) < 0 {
			out = append(out, value)
		}
	}
	return out
}
