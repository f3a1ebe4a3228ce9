package batching

import (
	"context"
	"errors"
	"io"
	"unicode/utf8"

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

// errIncomplete stands for an answer that is not one to the batch that was sent.
var errIncomplete = contract.ServiceUnavailable.Errorf("the service answered another batch than was sent")

// encodable reports whether all text in a request is UTF-8. What is not cannot be sent, and would take a whole
// batch with it.
func encodable(request any) bool {
	if r, ok := request.(interface{ GetKey() string }); ok && !utf8.ValidString(r.GetKey()) {
		return false
	}
	if r, ok := request.(interface{ GetValue() string }); ok && !utf8.ValidString(r.GetValue()) {
		return false
	}
	r, ok := request.(interface {
		GetPrecondition() *keyvaluev1.Precondition
	})
	return !ok || utf8.ValidString(r.GetPrecondition().GetEtag())
}

// receive moves the answer to where the caller wants it. Nobody else has it, so that it need not be copied.
func (c *call) receive() error {
	if e := c.result.GetError(); e != nil {
		return callError(e)
	}
	if !c.method.Deliver(c.result, c.response) {
		return errIncomplete
	}
	return nil
}

// isBeyond reports whether a get brought nothing back because the batch had no room for its value.
func isBeyond(r *keyvaluev1.OperationResult) bool {
	return r.GetError().GetReason() == string(contract.BatchTooLarge)
}

// isDenied reports whether a batch was refused because of rights, which one of its calls lacks and others may have.
// Nothing of it was carried out.
func isDenied(err error) bool { return contract.ReasonOf(err) == contract.PermissionDenied }

// callError is what the call would have failed with by itself: the service's verdict.
func callError(e *keyvaluev1.OperationError) error {
	var code connect.Code
	if code.UnmarshalText([]byte(e.GetCode())) != nil {
		code = connect.CodeUnknown
	}
	if e.GetReason() == "" {
		return connect.NewError(code, e.GetMessage()).WithRemote()
	}
	return contract.Reason(e.GetReason()).NewError(code, e.GetMetadata(), e.GetMessage()).WithRemote()
}
