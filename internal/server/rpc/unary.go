package rpc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"

	"key-value/internal/lazyctx"
)

// unaryCalls serves the calls that most callers of Connect make: unary ones whose message is the body of a POST. It answers
// them as connecthttp does, which makes four times as many allocations; all other calls are connecthttp's.
type unaryCalls struct {
	server   *connect.Server
	codecs   map[string]connect.Codec // :: content type → its codec
	maxBytes int                      // of a request message
	errors   *connecthttp.ErrorWriter
	buffers  sync.Pool // of *bytes.Buffer, for messages
}

func newUnaryCalls(server *connect.Server, maxBytes int, errors *connecthttp.ErrorWriter, codecs ...connect.Codec) *unaryCalls {
	u := &unaryCalls{server: server, codecs: map[string]connect.Codec{}, maxBytes: maxBytes, errors: errors}
	for _, codec := range codecs {
		u.codecs["application/"+codec.Name()] = codec
	}
	u.buffers.New = func() any { return new(bytes.Buffer) }
	return u
}

// serve answers r, a call of spec without mistakes in its headers, and reports whether it did.
func (u *unaryCalls) serve(w http.ResponseWriter, r *http.Request, spec connect.Spec) bool {
	if spec.Procedure == "" || spec.StreamType != connect.StreamTypeUnary || r.Method != http.MethodPost {
		return false
	}
	contentType := r.Header["Content-Type"]
	if len(contentType) != 1 {
		return false
	}
	codec := u.codecs[contentType[0]]
	if codec == nil {
		return false
	}
	s := &unaryStream{calls: u, w: w, ctx: r.Context(), codec: codec, body: io.LimitedReader{R: r.Body, N: int64(u.maxBytes) + 1}}
	if milliseconds, err := strconv.ParseInt(r.Header.Get(connectTimeout), 10, 64); err == nil {
		bounded := lazyctx.WithTimeout(s.ctx, time.Duration(milliseconds)*time.Millisecond)
		defer bounded.Cancel()
		s.ctx = bounded
	}
	s.info = connect.CallInfo{
		Spec: spec, PeerAddr: r.RemoteAddr, Protocol: connect.ProtocolNameConnect, Codec: codec.Name(),
		RequestEncoding: connect.CompressionNameIdentity, ResponseEncoding: connect.CompressionNameIdentity,
	}
	for name, values := range r.Header {
		s.info.RequestHeader().SetValues(name, values)
	}
	w.Header()["Content-Type"] = contentType
	w.Header()["Accept-Encoding"] = noEncodings
	s.finish(r, u.server.Call(s.ctx, spec.Procedure, &s.info, s))
	return true
}

// noEncodings says that compressed messages are not accepted. It is never written to.
var noEncodings = []string{""}

// unaryStream is one call. It implements [connect.ServerStream].
type unaryStream struct {
	calls    *unaryCalls
	w        http.ResponseWriter
	ctx      context.Context // of the call
	codec    connect.Codec
	info     connect.CallInfo
	body     io.LimitedReader // one byte longer than a message may be
	received bool
	begun    bool // whether the response has
}

// Receive implements [connect.ServerStream].
func (s *unaryStream) Receive(message any) error {
	if s.received {
		return io.EOF
	}
	s.received = true
	buffer := s.calls.buffer()
	defer s.calls.putBuffer(buffer)
	n, err := buffer.ReadFrom(&s.body)
	switch {
	case err != nil:
		return s.broken("read message", err)
	case n > int64(s.calls.maxBytes):
		return connect.Errorf(connect.CodeResourceExhausted, "message is "+maxBytes+"%d", s.calls.maxBytes)
	}
	if err := s.codec.UnmarshalRead(s.ctx, buffer, message); err != nil {
		return connect.Errorf(connect.CodeInvalidArgument, "unmarshal message: %s", err).WithCause(err)
	}
	s.info.ReceiveStats.Size = int(n)
	return nil
}

// SendHeaders does nothing: the status of the response depends on how the call ends.
func (s *unaryStream) SendHeaders() error { return nil }

// Send implements [connect.ServerStream].
func (s *unaryStream) Send(message any) error {
	buffer := s.calls.buffer()
	defer s.calls.putBuffer(buffer)
	if err := s.codec.MarshalWrite(s.ctx, buffer, message); err != nil {
		return connect.Errorf(connect.CodeInternal, "marshal message: %s", err).WithCause(err)
	}
	s.begin()
	s.info.SendStats.Size = buffer.Len()
	if _, err := s.w.Write(buffer.Bytes()); err != nil {
		return s.broken("write message", err)
	}
	return nil
}

// begin sets the headers of the response, among which trailers are too.
func (s *unaryStream) begin() {
	s.begun = true
	header := s.w.Header()
	addTo(header, "", s.info.ResponseHeader())
	addTo(header, "Trailer-", s.info.ResponseTrailer())
}

// addTo adds metadata to header, with prefix before the names.
func addTo(header http.Header, prefix string, metadata *connect.Header) {
	if metadata.Len() == 0 {
		return
	}
	for name, values := range metadata.All() {
		name = prefix + name
		if outer := header[name]; len(outer) > 0 {
			values = append(slices.Clip(outer), values...)
		}
		header[name] = values
	}
}

// finish ends the call, whose handler returned err.
func (s *unaryStream) finish(r *http.Request, err error) {
	if s.begun {
		return
	}
	s.begin()
	if err != nil {
		_ = s.calls.errors.Write(s.w, r, err) // fails only if the caller is gone
	}
}

// broken returns the error for err, with which reading the body or writing the response failed.
func (s *unaryStream) broken(doing string, err error) error {
	if e, ok := errors.AsType[*connect.Error](err); ok {
		return e
	}
	ended := s.ctx.Err()
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(ended, context.DeadlineExceeded):
		return connect.NewError(connect.CodeDeadlineExceeded, err.Error()).WithCause(err)
	case errors.Is(err, context.Canceled), ended != nil, errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNRESET):
		return connect.NewError(connect.CodeCanceled, err.Error()).WithCause(err)
	}
	return connect.Errorf(connect.CodeUnknown, "%s: %s", doing, err).WithCause(err)
}

// maxKept is the size of the largest buffer that is kept for another message, in bytes.
const maxKept = 64 << 10

func (u *unaryCalls) buffer() *bytes.Buffer { return u.buffers.Get().(*bytes.Buffer) }

func (u *unaryCalls) putBuffer(buffer *bytes.Buffer) {
	if buffer.Cap() <= maxKept {
		buffer.Reset()
		u.buffers.Put(buffer)
	}
}
