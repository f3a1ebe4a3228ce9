package grpclane

import (
	"context"
	"sync/atomic"

	"connectrpc.com/connect/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	"key-value/internal/contract"
	"key-value/internal/server/lane"
)

type service struct {
	server *connect.Server
	bounds lane.Bounds
	specs  map[string]connect.Spec // :: procedure → its spec
	calls  *atomic.Int64           // counts those that began
}

// transportStream has the methods of grpc-go's own streams that [grpc.ServerStream] lacks. Unlike RecvMsg, which answers
// a message that cannot be read by itself, they leave the answer to the caller. A test fails if an upgrade removes them.
type transportStream interface {
	grpc.ServerTransportStream
	ContentSubtype() string
	RecvCompress() string
	ReadMessageHeader(prefix []byte) error
	Read(n int) (mem.BufferSlice, error)
	WriteStatus(*status.Status) error
}

// callContext is the context of a call. It keeps the metadata, where reading it does not copy it, as grpc-go's own
// functions do, and the streams of the connection.
type callContext struct {
	context.Context
	header  metadata.MD
	streams *lane.Streams
}

type callKey struct{}

// Value implements [context.Context].
func (c *callContext) Value(key any) any {
	switch key {
	case callKey{}:
		return c
	case lane.StreamsKey:
		return c.streams
	}
	return c.Context.Value(key)
}

// errLate is the error of a call whose deadline has passed before it begins.
var errLate = statusOf(contract.DeadlineExceeded.Errorf("the deadline passed before the call began"))

// keepHeader makes a callContext.
func keepHeader(ctx context.Context, info *tap.Info) (context.Context, error) {
	if ctx.Err() == context.DeadlineExceeded { // which grpc-go would answer without a reason
		return ctx, errLate
	}
	return &callContext{Context: ctx, header: info.Header}, nil
}

// serve handles every call.
func (s *service) serve(_ any, out grpc.ServerStream) error {
	growStack(0)
	ctx := out.Context()
	switch err := ctx.Err(); err { // the caller may have given up already
	case nil:
	case context.DeadlineExceeded:
		return errLate
	default:
		return err
	}
	in, ok := grpc.ServerTransportStreamFromContext(ctx).(transportStream)
	if !ok {
		return statusOf(connect.Errorf(connect.CodeInternal, "not a stream of grpc-go"))
	}
	s.calls.Add(1)
	streams := streamsOf(ctx)
	streams.Conn().Begin()
	defer streams.Conn().End()
	stream := s.newStream(ctx, streams, in, out)
	if stream.calls != nil {
		stream.calls.Add(1)
		defer stream.calls.Add(-1)
	}
	err := s.server.Call(ctx, stream.info.Spec.Procedure, &stream.info, stream)
	return stream.finish(err)
}

func (s *service) newStream(ctx context.Context, streams *lane.Streams, in transportStream, out grpc.ServerStream) *stream {
	spec, ok := s.specs[in.Method()]
	if !ok {
		spec = connect.Spec{Procedure: in.Method(), StreamType: connect.StreamTypeBidi}
	}
	codec, ok := codecOf(in.ContentSubtype())
	var broken error // which the call gets when it reads, so that it is observed and authenticated as any other
	if !ok {
		broken = connect.Errorf(connect.CodeUnimplemented, "unsupported codec %q: use proto or json", in.ContentSubtype())
	}
	if encoding := in.RecvCompress(); encoding != "" && encoding != connect.CompressionNameIdentity {
		broken = connect.Errorf(connect.CodeUnimplemented, "unsupported compression %q: send messages uncompressed", encoding)
	}
	peerAddr, calls, unsent := caller(ctx)
	call := &stream{ctx: ctx, in: in, out: out, bounds: &s.bounds, codec: codec, broken: broken, calls: calls, unsent: unsent, info: connect.CallInfo{
		Spec:             spec,
		PeerAddr:         peerAddr,
		Protocol:         connect.ProtocolNameGRPC,
		Codec:            codec.Name(),
		RequestEncoding:  connect.CompressionNameIdentity,
		ResponseEncoding: connect.CompressionNameIdentity,
	}}
	call.info.TransportInfo, call.maxBytes = call, s.bounds.MessageBytes
	call.receiving.stream, call.receiving.giveUp = call, (*stream).receiveTimedOut
	call.receiving.meter.Pace = s.bounds.ReadPace()
	if c, ok := ctx.Value(callKey{}).(*callContext); ok {
		c.streams = streams
		readHeader(call.info.RequestHeader(), c.header)
		call.info.PeerAddr = streams.Conn().Caller(peerAddr, c.header.Get)
	}
	return call
}

// growStack grows the goroutine's stack to the size that a call needs. A new stack would otherwise double several times
// during the call, with more to copy each time, which took a seventh of the time of a Get.
//
//go:noinline
func growStack(i int) byte {
	var room [4 << 10]byte
	return room[i]
}

// streamsOf returns the streams of the connection that a call came by.
func streamsOf(ctx context.Context) *lane.Streams {
	if p, ok := peer.FromContext(ctx); ok {
		if a, ok := p.Addr.(addr); ok {
			return a.streams
		}
	}
	return nil
}

// caller returns the address of the caller, and of its connection the number of calls in progress and the unsent responses,
// or nil if these are not counted.
func caller(ctx context.Context) (string, *atomic.Int64, *unsent) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return "", nil, nil
	}
	if a, ok := p.Addr.(addr); ok {
		return a.text, a.calls, a.unsent
	}
	return p.Addr.String(), nil, nil
}
