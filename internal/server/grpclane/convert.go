package grpclane

import (
	"context"
	"errors"
	"net/textproto"
	"os"
	"strings"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connectproto"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// binarySuffix ends the names of headers with binary values. grpc-go has them decoded, connect has them in base64.
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

// writeHeader returns header as metadata, without headers that are reserved for the protocol or cannot be sent.
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

// reserved reports whether connecthttp reserves a header for itself.
func reserved(name string) bool {
	switch name {
	case "content-type", "content-length", "content-encoding", "trailer", "date", "accept-encoding",
		"connect-content-encoding", "connect-accept-encoding", "connect-timeout-ms", "connect-protocol-version":
		return true
	}
	return strings.HasPrefix(name, "grpc-")
}

// validName reports whether name, in lower case, is valid as the name of metadata.
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

// printable returns the values that are printable ASCII.
func printable(values []string) []string {
	out := make([]string, 0, len(values))
	for _, value := range values {
		if strings.IndexFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) < 0 {
			out = append(out, value)
		}
	}
	return out
}

// statusOf returns err as an error whose status grpc-go sends. As in connecthttp, only errors that a handler chose for
// the caller are sent with their message; of any other the caller learns the code alone.
func statusOf(err error) error {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*connect.Error](err)
	switch {
	case ok && e != nil && e.IsRemote():
		return status.Error(codes.Internal, "")
	case ok && e != nil:
		return withDetails(e)
	case errors.Is(err, context.Canceled):
		return status.Error(codes.Canceled, "")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return status.Error(codes.DeadlineExceeded, "")
	}
	return status.Error(codes.Unknown, "")
}

// withDetails returns e as a status with its details.
func withDetails(e *connect.Error) error {
	details := e.Details()
	if len(details) == 0 {
		return status.Error(codes.Code(e.Code()), e.Message())
	}
	// grpc-go cannot marshal a message that is not UTF-8, and would drop the details with it.
	s := &spb.Status{Code: int32(e.Code()), Message: strings.ToValidUTF8(e.Message(), "\uFFFD")}
	for _, detail := range details {
		s.Details = append(s.Details, connectproto.ErrorDetailToAny(detail))
	}
	return status.FromProto(s).Err()
}
