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
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"key-value/internal/contract"
	"key-value/internal/server/lane"
)

// prefixBytes is the length of a message's prefix: one byte of flags and four of length.
const prefixBytes = 5

// stream is one call. It implements [connect.ServerStream].
type stream struct {
	ctx    context.Context // of the call
	in     transportStream
	out    grpc.ServerStream
	bounds *lane.Bounds
	codec  codec
	info   connect.CallInfo

	prefix     [prefixBytes]byte
	received   bool  // whether the only request message was asked for; unused if the client streams
	broken     error // why no further message can be read
	headerSent bool
	maxBytes   int           // of a request message
	account    Account       // nil: nothing is charged
	charged    int64         // to account, for the last request message
	unsent     *unsent       // of the connection; nil: not known
	calls      *atomic.Int64 // in progress on the connection; nil: not known
	receiving  timer         // of the message that is being received
	sending    *timer        // of the messages that are sent; nil before the first one of a stream
	timedOut   atomic.Bool   // whether the peer took too long to send or to read a message
}

// Charge implements [Call].
func (s *stream) Charge(a Account) { s.account = a }

// Bound implements [Call].
func (s *stream) Bound(n int) { s.maxBytes = n }

// Receive implements [connect.ServerStream]. If the procedure takes one message, it is an error if there is none, or more
// than one.
func (s *stream) Receive(message any) error {
	s.receiving.start()
	defer s.receiving.stop()
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

// receive reads one message. It returns io.EOF after the last one.
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

// read returns the bytes of one message. It checks the length in the prefix before it reads or allocates anything.
func (s *stream) read() (mem.BufferSlice, error) {
	if err := s.in.ReadMessageHeader(s.prefix[:]); err != nil {
		return nil, s.failure(err)
	}
	flags, size := s.prefix[0], binary.BigEndian.Uint32(s.prefix[1:])
	switch {
	case int64(size) > int64(s.maxBytes):
		return nil, connect.Errorf(connect.CodeResourceExhausted,
			"message size %d is larger than configured max %d", size, s.maxBytes)
	case flags == 1:
		return nil, connect.Errorf(connect.CodeInternal,
			"protocol error: sent compressed message without compression support")
	case flags != 0:
		return nil, connect.Errorf(connect.CodeInternal, "protocol error: invalid envelope flags %d", flags)
	case size == 0:
		return nil, nil
	}
	if err := s.charge(requestCopies * int64(size)); err != nil {
		return nil, err
	}
	data, err := s.readPieces(int(size))
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, connect.Errorf(connect.CodeInternal,
			"protocol error: promised %d bytes in enveloped message, got fewer", size).WithCause(io.ErrUnexpectedEOF)
	}
	if err != nil {
		return nil, s.failure(err)
	}
	return data, nil
}

// charge charges n bytes for a request message, in place of those for the one before.
func (s *stream) charge(n int64) error {
	if s.account == nil {
		return nil
	}
	s.account.Drop(s.charged)
	s.charged = 0
	if err := s.account.Add(n); err != nil {
		return err
	}
	s.charged = n
	return nil
}

const (
	// firstPiece is how much of a message is read at once before the pace of its sender is known, and leastPiece how much
	// later, in bytes.
	firstPiece = 64 << 10
	leastPiece = 16 << 10
	// pieceWindows is the part of the window, as a divisor, in which a piece should arrive.
	pieceWindows = 16
)

// readPieces reads size bytes. It reads them in pieces, because a read shows no progress before its end; and in pieces
// that grow with the pace of the sender, because grpc-go lets it send as much without waiting as a read asks for.
func (s *stream) readPieces(size int) (all mem.BufferSlice, err error) {
	for piece := firstPiece; ; {
		start := time.Now()
		data, err := s.in.Read(min(piece, size))
		if err != nil {
			all.Free()
			return nil, err
		}
		if all = append(all, data...); data.Len() >= size {
			return all, nil
		}
		n := data.Len()
		size -= n
		s.receiving.moved(n)
		windows := s.bounds.BodyTimeout.Seconds() / pieceWindows / max(time.Since(start).Seconds(), 1e-6)
		piece = int(max(leastPiece, min(float64(size), float64(n)*windows)))
	}
}

// SendHeaders implements [connect.ServerStream]. The headers of a unary call are sent with its message or its error.
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
	out := outgoing{ctx: s.ctx, codec: s.codec, message: message, unsent: s.unsent, account: s.account}
	// The only message of a unary call never waits: an empty stream has room for it.
	if s.info.Spec.StreamType != connect.StreamTypeUnary {
		if s.sending == nil {
			s.sending = &timer{stream: s, giveUp: (*stream).sendTimedOut, meter: lane.Meter{Pace: s.bounds.WritePace()}}
		}
		s.sending.start()
		defer s.sending.stop()
		out.sent = s.sending.moved
	}
	if err := s.out.SendMsg(&out); err != nil {
		return s.failure(err)
	}
	if out.sent != nil && out.size <= wholeMax {
		s.sending.moved(out.size)
	}
	s.info.SendStats = connect.MessageStats{Size: out.size}
	return nil
}

// setHeader adds the headers to what is sent next.
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

// finish ends the call and returns err as a status.
func (s *stream) finish(err error) error {
	_ = s.setHeader() // fails only if the stream has ended
	if trailer := s.info.ResponseTrailer(); trailer.Len() != 0 {
		s.out.SetTrailer(writeHeader(trailer))
	}
	return statusOf(err)
}

// receiveTimedOut and sendTimedOut end a call whose peer is too slow. A timer calls them, while the handler waits.
func (s *stream) receiveTimedOut() {
	s.timeOut(contract.DeadlineExceeded.Errorf("the request message did not arrive in time"))
}

func (s *stream) sendTimedOut() {
	s.timeOut(contract.ServiceUnavailable.Errorf("the response messages were not read in time"))
}

func (s *stream) timeOut(why error) {
	s.timedOut.Store(true)
	_ = s.in.WriteStatus(status.Convert(statusOf(why))) // fails only if the stream has ended
}

// failure returns an error of grpc-go as an error of connect.
func (s *stream) failure(err error) error {
	if errors.Is(err, io.EOF) {
		return err
	}
	code := connect.Code(status.Code(err))
	if s.timedOut.Load() {
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
