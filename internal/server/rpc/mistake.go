package rpc

import (
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"

	"key-value/internal/contract"
	"key-value/internal/contract/problem"
)

// Reasons for requests that are not RPCs of any protocol, as REST has them.
const (
	routeNotFound        contract.Reason = "ROUTE_NOT_FOUND"
	methodNotAllowed     contract.Reason = "METHOD_NOT_ALLOWED"
	mediaTypeUnsupported contract.Reason = "MEDIA_TYPE_UNSUPPORTED"
)

// Headers and query parameters of the protocols.
const (
	connectVersion         = "Connect-Protocol-Version"
	connectTimeout         = "Connect-Timeout-Ms"
	connectEncoding        = "Content-Encoding"         // of a unary call
	connectMessageEncoding = "Connect-Content-Encoding" // of the messages of a stream
	grpcTimeout            = "Grpc-Timeout"
	grpcEncoding           = "Grpc-Encoding"
)

// withoutMistake returns r unless its headers or its query break the rules of its protocol. If they do, it returns a request
// without them, whose body cannot be read because of the mistake: connecthttp would answer the mistake by itself, without a
// reason, before the call is observed and authenticated.
func withoutMistake(r *http.Request) *http.Request {
	err := mistakeIn(r)
	if err == nil {
		return r
	}
	fixed := r.WithContext(r.Context())
	fixed.Header = r.Header.Clone()
	for _, name := range []string{
		connectVersion, connectTimeout, connectEncoding, connectMessageEncoding, grpcTimeout, grpcEncoding,
	} {
		delete(fixed.Header, name)
	}
	if r.Method == http.MethodGet { // whose message is in the query
		fixed.Method = http.MethodPost
		fixed.Header.Set("Content-Type", "application/json")
	}
	fixed.Body, fixed.ContentLength = mistaken{r.Body, err}, -1
	return fixed
}

// mistaken is the body of a request that cannot be served.
type mistaken struct {
	io.Closer
	err error
}

func (m mistaken) Read([]byte) (int, error) { return 0, m.err }

// mistakeIn returns an error for the first rule of its protocol that r breaks, or nil.
func mistakeIn(r *http.Request) error {
	contentType := r.Header.Get("Content-Type")
	switch {
	case r.Method == http.MethodGet:
		return mistakeInGet(r)
	case strings.HasPrefix(contentType, "application/grpc"):
		if timeout := r.Header.Get(grpcTimeout); timeout != "" && !isGRPCTimeout(timeout) {
			return invalid("invalid %s %q: want at most 8 digits and a unit, one of H, M, S, m, u and n", grpcTimeout, timeout)
		}
		return unsupportedEncoding(r.Header.Get(grpcEncoding))
	case strings.HasPrefix(contentType, "application/connect+"):
		if err := mistakeInConnect(r); err != nil {
			return err
		}
		return unsupportedEncoding(r.Header.Get(connectMessageEncoding))
	default:
		if err := mistakeInConnect(r); err != nil {
			return err
		}
		return unsupportedEncoding(r.Header.Get(connectEncoding))
	}
}

func mistakeInConnect(r *http.Request) error {
	if version := r.Header.Get(connectVersion); version != "" && version != "1" {
		return invalid("unsupported %s %q: want 1", connectVersion, version)
	}
	return mistakeInConnectTimeout(r)
}

func mistakeInConnectTimeout(r *http.Request) error {
	if timeout := r.Header.Get(connectTimeout); timeout != "" && !isDigits(timeout, 10) {
		return invalid("invalid %s %q: want milliseconds, in at most 10 digits", connectTimeout, timeout)
	}
	return nil
}

// mistakeInGet checks the query of a Connect GET. connecthttp decodes the message, and rejects unknown codecs.
func mistakeInGet(r *http.Request) error {
	query := r.URL.Query()
	switch version, encoding := query.Get("connect"), query.Get("encoding"); {
	case version != "" && version != "v1":
		return invalid("unsupported query parameter connect=%q: want v1", version)
	case encoding != connect.CodecNameJSON && encoding != connect.CodecNameProto:
		return invalid("unsupported query parameter encoding=%q: want json or proto", encoding)
	case !query.Has("message"):
		return invalid("missing query parameter message")
	case r.ContentLength > 0:
		return invalid("an HTTP GET with a body of %d bytes: want the message in the query", r.ContentLength)
	}
	if err := unsupportedEncoding(query.Get("compression")); err != nil {
		return err
	}
	return mistakeInConnectTimeout(r)
}

func invalid(format string, args ...any) error {
	return contract.RequestInvalid.Errorf(format, args...).WithCause(contract.ErrCaller)
}

func unsupportedEncoding(encoding string) error {
	if encoding == "" || encoding == connect.CompressionNameIdentity {
		return nil
	}
	return contract.Unimplemented.Errorf("unsupported compression %q: send messages uncompressed", encoding).
		WithCause(contract.ErrCaller)
}

func isGRPCTimeout(s string) bool {
	return strings.IndexByte("HMSmun", s[len(s)-1]) >= 0 && isDigits(s[:len(s)-1], 8)
}

// isDigits reports whether s has from one to most decimal digits.
func isDigits(s string, most int) bool {
	return s != "" && len(s) <= most && strings.Trim(s, "0123456789") == ""
}

// mediaTypes are the content types of a kind of procedure.
type mediaTypes []string

var (
	grpcTypes = mediaTypes{
		"application/grpc", "application/grpc+proto", "application/grpc+json",
		"application/grpc-web", "application/grpc-web+proto", "application/grpc-web+json", typeText,
	}
	unaryTypes  = append(mediaTypes{"application/json", "application/proto"}, grpcTypes...)
	streamTypes = append(mediaTypes{"application/connect+json", "application/connect+proto"}, grpcTypes...)
	allTypes    = append(streamTypes[:2:2], unaryTypes...)
)

// has reports whether contentType is one of m, in UTF-8.
func (m mediaTypes) has(contentType string) bool {
	if slices.Contains(m, contentType) {
		return true
	}
	name, params, err := mime.ParseMediaType(contentType)
	charset, ok := params["charset"]
	return err == nil && slices.Contains(m, name) && (!ok || strings.EqualFold(charset, "utf-8"))
}

// rejects are requests that are not RPCs of any protocol, which connecthttp would answer with an empty body.
type rejects struct {
	specs  map[string]connect.Spec // :: procedure → its spec
	errors *connecthttp.ErrorWriter
}

// reject answers r if it is not an RPC of any protocol, and reports whether it did.
func (j rejects) reject(w http.ResponseWriter, r *http.Request) bool {
	spec, known := j.specs[r.URL.Path]
	types, gettable := allTypes, false
	if known {
		gettable = spec.StreamType == connect.StreamTypeUnary && spec.IdempotencyLevel == connect.IdempotencyNoSideEffects
		if types = unaryTypes; spec.StreamType != connect.StreamTypeUnary {
			types = streamTypes
		}
	}
	contentType := r.Header.Get("Content-Type")
	switch {
	case r.Method == http.MethodGet && gettable:
		return false
	case r.Method != http.MethodPost && !known:
		write(w, r, http.StatusNotFound, routeNotFound, "There is no procedure "+r.URL.Path+".")
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", "POST")
		if gettable {
			w.Header().Set("Allow", "GET, POST")
		}
		write(w, r, http.StatusMethodNotAllowed, methodNotAllowed, "The procedure does not have the method "+r.Method+".")
	case types.has(contentType) && r.ProtoMajor == 1 && spec.StreamType == connect.StreamTypeBidi:
		w.Header().Set("Connection", "close") // so that the client does not go on sending
		_ = j.errors.Write(w, r, contract.Unimplemented.Errorf("%s streams in both directions: use HTTP/2", r.URL.Path))
	case types.has(contentType):
		return false
	case strings.HasPrefix(contentType, "application/grpc"):
		_ = j.errors.Write(w, r, contract.Unimplemented.Errorf("unsupported content type %q: want one of %s",
			contentType, strings.Join(grpcTypes, ", "))) // fails only if the caller is gone
	default:
		w.Header().Set("Accept-Post", strings.Join(types, ", "))
		write(w, r, http.StatusUnsupportedMediaType, mediaTypeUnsupported,
			"Unsupported Content-Type \""+contentType+"\": want one of "+strings.Join(types, ", ")+".")
	}
	return true
}

// overHTTP2 returns r as if it had come over HTTP/2 if it calls a procedure that does not exist: connecthttp takes that for a
// stream in both directions, and would answer 505 over HTTP/1.1. Nothing is streamed.
func (j rejects) overHTTP2(r *http.Request) *http.Request {
	if _, known := j.specs[r.URL.Path]; known || r.ProtoMajor > 1 {
		return r
	}
	r = r.WithContext(r.Context())
	r.ProtoMajor = 2
	return r
}

func write(w http.ResponseWriter, r *http.Request, status int, reason contract.Reason, detail string) {
	problem.Problem{Status: status, Reason: string(reason), Detail: detail}.Write(w, r)
}
