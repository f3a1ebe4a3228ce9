package hop

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"connectrpc.com/connect/v2"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
)

// mostAttempts is how often a call is made in all. The waits between them take 0.35 s at most.
const mostAttempts = 4

// retrying makes unary calls again that failed for want of a service, where that is safe: client.WithoutRetries says when.
//
// It lies above the batches, so that it is the calls that are made again, each within its own deadline, and never a
// batch: of a batch that got no answer, the reads travel again and the writes fail.
type retrying struct {
	next         connect.Transport
	client       *connect.Client
	budget       budget
	passOverload bool // make no call again that was refused as OVERLOADED
	breaker      *breaker
}

func newRetrying(next connect.Transport, o Options) *retrying {
	r := &retrying{next: next, client: connect.NewClient(next), passOverload: o.PassOverload}
	if o.Breaker {
		r.breaker = &breaker{}
	}
	return r
}

// NewClientStream implements [connect.Transport]. A watch resumes by itself, and needs no help.
func (r *retrying) NewClientStream(ctx context.Context, spec connect.Spec) (connect.ClientStream, error) {
	if spec.StreamType != connect.StreamTypeUnary {
		return r.next.NewClientStream(ctx, spec)
	}
	return &retriedCall{retrying: r, ctx: ctx, spec: spec}, nil
}

// retriedCall is a unary call as connect drives it: one Send, then one Receive.
type retriedCall struct {
	*retrying
	ctx      context.Context //nolint:containedctx // the caller's own
	spec     connect.Spec
	request  any
	received bool
}

func (c *retriedCall) SendHeaders() error { return nil }
func (c *retriedCall) CloseSend() error   { return nil }
func (c *retriedCall) Close() error       { return nil }

func (c *retriedCall) Send(message any) error {
	c.request = message
	return nil
}

func (c *retriedCall) Receive(message any) error {
	if c.received {
		return io.EOF
	}
	c.received = true
	var waits Backoff
	for attempt := 1; ; attempt++ {
		err := c.attempt(message)
		if !c.again(err) || attempt == mostAttempts {
			return err
		}
		wait := waits.Next()
		if deadline, ok := c.ctx.Deadline(); ok && time.Until(deadline) <= wait {
			return err // says more than that the time is up
		}
		if Pause(c.ctx, wait); c.ctx.Err() != nil {
			return c.ctx.Err()
		}
	}
}

// attempt makes the call once, unless that would be in vain.
func (c *retriedCall) attempt(message any) error {
	if err := c.breaker.enter(); err != nil {
		return err
	}
	err := c.client.CallUnary(c.ctx, c.spec, c.request, message)
	c.breaker.leave(err == nil || isRemote(err))
	return err
}

func isRemote(err error) bool {
	e, ok := errors.AsType[*connect.Error](err)
	return ok && e.IsRemote()
}

// again reports whether to make the call once more after err, and keeps count of how the service is doing.
func (c *retriedCall) again(err error) bool {
	if answered(err) {
		c.budget.earn()
		return false
	}
	if c.ctx.Err() != nil || errors.Is(err, errSilent) {
		return false
	}
	safe := false
	switch ReasonOf(c.request, err) {
	case contract.Overloaded:
		safe = !c.passOverload // it did nothing
	case contract.ServiceUnavailable:
		safe = reads(c.spec, c.request) || unsent(err)
	default:
		return false // will not be better, or has used up the time there was
	}
	return c.budget.spend() && safe
}

// answered reports whether the service has dealt with the call, be it by refusing it.
func answered(err error) bool {
	return err == nil || isRemote(err) && connect.CodeOf(err) != connect.CodeUnavailable &&
		connect.CodeOf(err) != connect.CodeDeadlineExceeded
}

// reads reports whether a call changes nothing, so that it may be made twice.
func reads(spec connect.Spec, request any) bool {
	batch, ok := request.(*keyvaluev1.BatchRequest)
	if !ok {
		return spec.IdempotencyLevel == connect.IdempotencyNoSideEffects
	}
	for _, operation := range batch.GetOperations() {
		if m, _ := contract.Unwrap(operation); !m.ReadOnly() {
			return false
		}
	}
	return true
}

// unsent reports whether a call certainly did not get to a service: there was no connection to send it on.
func unsent(err error) bool {
	e, ok := errors.AsType[*net.OpError](err)
	return ok && e.Op == "dial"
}
