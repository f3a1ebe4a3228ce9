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

// errMismatch is the outcome of a batch whose response does not fit its request.
var errMismatch = contract.ServiceUnavailable.Errorf("the service's response does not match the batch that was sent")

// call is a unary call that may be sent in a batch.
type call struct {
	ctx      context.Context // the caller's
	spec     connect.Spec
	method   *contract.Method
	request  any
	response any // where the caller expects the response; only the caller's goroutine writes to it
	size     int // of the request, in bytes

	done chan struct{} // closed when the call has an outcome: result, err or slot; nil unless it was queued

	result *keyvaluev1.OperationResult // what the batch returned for the call
	err    error                       // why the batch failed
	slot   bool                        // the call has a slot to be sent by itself; guarded by transport.mu until done

	abandoned bool   // the caller gave up; guarded by transport.mu
	batch     *batch // the batch that contains the call, or nil; guarded by transport.mu
}

// finish sets the outcome of c.
func (c *call) finish(result *keyvaluev1.OperationResult, err error) {
	c.result, c.err = result, err
	close(c.done)
}

// receive moves the result to where the caller expects the response. No copy is needed, because nothing else refers to
// it.
func (c *call) receive() error {
	if e := c.result.GetError(); e != nil {
		return callError(e)
	}
	if !c.method.Deliver(c.result, c.response) {
		return errMismatch
	}
	return nil
}

// callError returns the error that the call would have failed with by itself.
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

// isOmitted reports whether the value that a get read did not fit into the response of its batch.
func isOmitted(r *keyvaluev1.OperationResult) bool {
	return r.GetError().GetReason() == string(contract.BatchTooLarge)
}

// uncounted returns a copy of a get that the service leaves out of its statistics, because it has counted request. Only
// the result of a get can be omitted.
func uncounted(request any) any {
	get, ok := request.(*keyvaluev1.GetRequest)
	if !ok {
		return request
	}
	get = proto.CloneOf(get)
	get.Uncounted = true
	return get
}

// isDenied reports whether a batch was rejected, and nothing in it carried out, because one of its calls lacks a right, which
// the others may have, or because it is longer than the service allows. A service whose longest value is short allows only
// short messages.
func isDenied(err error) bool {
	why := contract.ReasonOf(err)
	return why == contract.PermissionDenied || why == contract.BatchTooLarge
}

// encodable reports whether all strings of a request are valid UTF-8. Otherwise the request cannot be sent, nor can a
// batch that contains it.
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
		return errors.New("batching: second message in a unary call")
	}
	s.sent, s.request = true, message
	if m, ok := message.(proto.Message); ok {
		s.size = proto.Size(m)
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
