package grpclane

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"connectrpc.com/connect/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"key-value/internal/server/lane"
)

// prefixBytes is how long the prefix of a message is: a byte of flags and four of length.
const prefixBytes = 5

// stream is one call. It implements [connect.ServerStream].
type stream struct {
	ctx    context.Context //nolint:containedctx // the call's own
	in     transportStream
	out    grpc.ServerStream
	bounds *lane.Bounds
	codec  codec
	info   connect.CallInfo

	prefix     [prefixBytes]byte
	received   bool  // whether a call of one request message has asked for it
	broken     error // why no further message can be read
	headerSent bool
	sendTimer  *time.Timer // nil until a stream has sent
	gaveUp     atomic.Bool // whether the peer let a message wait for too long
}

// Receive implements [connect.ServerStream]. Where the procedure takes one message, it makes sure that there
// is one and no more.
func (s *stream) Receive(message any) error {
	if s.bounds.BodyTimeout > 0 {
		defer time.AfterFunc(s.bounds.BodyTimeout, s.giveUpReceiving).Stop()
	}
	if s.info.Spec.StreamType&connect.StreamTypeClient != 0 {
		return s.receive(message)
	}
	if s.received {
		return io.EOF
	}
	s.received = true
	if err := s.receive(message); errors.Is(err, io.EOF) {
		return connect.Errorf(connect.CodeUnimplemented, "unary request has zero messages")
	} else if err != nil {
		return err
	}
	switch err := s.in.ReadMessageHeader(s.prefix[:]); err {
	case nil:
		return connect.Errorf(connect.CodeUnimplemented, "unary request has multiple messages")
	case io.EOF:
		return nil
	default:
		return s.failure(err)
	}
}

// receive reads one message, or returns io.EOF if the caller has sent all of them.
func (s *stream) receive(message any) error {
	if s.broken != nil {
		return s.broken
	}
	data, err := s.read()
	if err != nil {
		s.broken = err
		return err
	}
	size := data.Len()
	if err := unmarshal(s.ctx, s.codec, data, message); err != nil {
		return connect.Errorf(connect.CodeInvalidArgument, "unmarshal message: %s", err).WithCause(err)
	}
	s.info.ReceiveStats = connect.MessageStats{Size: size}
	return nil
}

// read returns the bytes of one message. It asks for no more of them than the limit allows, whatever the
// prefix promises.
func (s *stream) read() (mem.BufferSlice, error) {
	if err := s.in.ReadMessageHeader(s.prefix[:]); err != nil {
		return nil, s.failure(err)
	}
	flags, size := s.prefix[0], binary.BigEndian.Uint32(s.prefix[1:])
	switch {
	case int64(size) > int64(s.bounds.MessageBytes):
		return nil, connect.Errorf(connect.CodeResourceExhausted,
			"message size %d is larger than configured max %d", size, s.bounds.MessageBytes)
	case flags == 1:
		return nil, connect.Errorf(connect.CodeInternal,
			"protocol error: sent compressed message without compression support")
	case flags != 0:
		return nil, connect.Errorf(connect.CodeInternal, "protocol error: invalid envelope flags %d", flags)
	case size == 0:
		return nil, nil
	}
	data, err := s.in.Read(int(size))
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, connect.Errorf(connect.CodeInternal,
			"protocol error: promised %d bytes in enveloped message, got fewer", size).WithCause(io.ErrUnexpectedEOF)
	}
	if err != nil {
		return nil, s.failure(err)
	}
	return data, nil
}

// SendHeaders implements [connect.ServerStream]. A unary call's headers wait for its message or its error.
func (s *stream) SendHeaders() error {
	if s.headerSent || s.info.Spec.StreamType == connect.StreamTypeUnary {
		return nil
	}
	s.headerSent = true
	if err := s.out.SendHeader(writeHeader(s.info.ResponseHeader())); err != nil {
		return s.failure(err)
	}
	return nil
}

// Send implements [connect.ServerStream].
func (s *stream) Send(message any) error {
	if err := s.setHeader(); err != nil {
		return err
	}
	// The one message of a unary call never waits: there is room in an empty stream.
	if s.bounds.WriteTimeout > 0 && s.info.Spec.StreamType != connect.StreamTypeUnary {
		s.startSendTimer()
		defer s.sendTimer.Stop()
	}
	out := outgoing{ctx: s.ctx, codec: s.codec, message: message}
	if err := s.out.SendMsg(&out); err != nil {
		return s.failure(err)
	}
	s.info.SendStats = connect.MessageStats{Size: out.size}
	return nil
}

func (s *stream) startSendTimer() {
	if s.sendTimer == nil {
		s.sendTimer = time.AfterFunc(s.bounds.WriteTimeout, s.giveUpSending)
		return
	}
	s.sendTimer.Reset(s.bounds.WriteTimeout)
}

// setHeader makes the headers go out with what is sent next.
func (s *stream) setHeader() error {
	if s.headerSent {
		return nil
	}
	s.headerSent = true
	header := s.info.ResponseHeader()
	if header.Len() == 0 {
		return nil
	}
	if err := s.out.SetHeader(writeHeader(header)); err != nil {
		return s.failure(err)
	}
	return nil
}

// finish ends the call with err, as a status.
func (s *stream) finish(err error) error {
	_ = s.setHeader() // fails only if the stream is over
	if trailer := s.info.ResponseTrailer(); trailer.Len() != 0 {
		s.out.SetTrailer(writeHeader(trailer))
	}
	return connectStatus(err)
}

// giveUpReceiving and giveUpSending end a call whose peer keeps it waiting: they run beside the handler and
// wake it up.
func (s *stream) giveUpReceiving() {
	s.giveUp(status.New(codes.DeadlineExceeded, "the message of the request did not come in time"))
}

func (s *stream) giveUpSending() {
	s.giveUp(status.New(codes.Unavailable, "the messages of the response were not read in time"))
}

func (s *stream) giveUp(why *status.Status) {
	s.gaveUp.Store(true)
	_ = s.in.WriteStatus(why) // fails only if the stream is over
}

// failure is what a handler is told of an error of grpc-go.
func (s *stream) failure(err error) error {
	if errors.Is(err, io.EOF) {
		return err
	}
	code := connect.Code(status.Code(err))
	if s.gaveUp.Load() {
		code = connect.CodeDeadlineExceeded
	} else if errors.Is(err, io.ErrUnexpectedEOF) {
		code = connect.CodeInternal
	}
	failed := connect.NewError(code, status.Convert(err).Message())
	if cause := s.ctx.Err(); cause != nil {
		return failed.WithCause(cause)
	}
	return failed.WithCause(err)
}
