package batching

import (
	"context"
	"errors"
	"io"

	"connectrpc.com/connect/v2"
	"google.golang.org/protobuf/proto"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
)

// call is one unary call on its way through a batch.
type call struct {
	ctx      context.Context //nolint:containedctx // the caller's own
	spec     connect.Spec
	method   *contract.Method
	request  any
	response any // where the caller wants the answer; written by the caller's goroutine alone
	weight   int // about how many bytes the request takes

	done chan struct{} // closed when it is known how the call goes on
	// result is the answer, or err why there is none. Neither is set if place is.
	result *keyvaluev1.OperationResult
	err    error

	place bool   // the call has a place of its own, and is to be made alone; guarded by transport.mu until done
	left  bool   // the caller has gone; guarded by transport.mu
	batch *batch // what the call travels in, or nil; guarded by transport.mu
}

// finish says how c ended.
func (c *call) finish(result *keyvaluev1.OperationResult, err error) {
	c.result, c.err = result, err
	close(c.done)
}

// stream is a call as connect drives it: one Send, then one Receive.
type stream struct {
	call
	transport *transport
	sent      bool
	received  bool
}

func (s *stream) SendHeaders() error { return nil }
func (s *stream) CloseSend() error   { return nil }
func (s *stream) Close() error       { return nil }

func (s *stream) Send(message any) error {
	if s.sent {
		return errors.New("batching: a unary call sends one message")
	}
	s.sent, s.request, s.done = true, message, make(chan struct{})
	if m, ok := message.(proto.Message); ok {
		s.weight = proto.Size(m)
	}
	return nil
}

func (s *stream) Receive(message any) error {
	if s.received || !s.sent {
		return io.EOF
	}
	s.received, s.response = true, message
	return s.transport.do(&s.call)
}
