// Package calls observes the calls of a transport: as spans, in metrics and in a log. It needs only the API of
// OpenTelemetry, not its SDK, so that package client can use it.
package calls

import (
	"context"
	"errors"
	"io"
	"sync"

	"connectrpc.com/connect/v2"
)

// stream calls end once, when the call ends.
type stream struct {
	connect.ClientStream
	sent func(message any) // may be nil
	once sync.Once
	end  func(err error)
}

// Open opens a stream of next. Unless sent is nil, it calls it with each message that is sent, and end once: when the stream
// fails, is read to its end, or is closed.
func Open(
	ctx context.Context, next connect.Transport, spec connect.Spec, sent func(any), end func(error),
) (connect.ClientStream, error) {
	opened, err := next.NewClientStream(ctx, spec)
	if err != nil {
		end(err)
		return nil, err
	}
	return &stream{ClientStream: opened, sent: sent, end: end}, nil
}

func (s *stream) Send(message any) error {
	if s.sent != nil {
		s.sent(message)
	}
	return s.finish(s.ClientStream.Send(message))
}

func (s *stream) Receive(message any) error { return s.finish(s.ClientStream.Receive(message)) }

func (s *stream) Close() error {
	s.once.Do(func() { s.end(nil) })
	return s.ClientStream.Close()
}

// finish returns err. If err is not nil, it ends the stream.
func (s *stream) finish(err error) error {
	if err != nil {
		s.once.Do(func() {
			if errors.Is(err, io.EOF) {
				s.end(nil)
				return
			}
			s.end(err)
		})
	}
	return err
}
