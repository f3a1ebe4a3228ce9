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

// maxAttempts is how often a call is sent in all. The waits between the attempts take at most 0.35 s.
const maxAttempts = 4

// retry returns a layer that retries unary calls which failed for want of a service: reads, calls that were not sent,
// and, if overloaded is set, calls that the service rejected with OVERLOADED or LOG_BEHIND. The number of retries is limited by a
// budget.
//
// The layer is above the batches, so calls are retried one by one, each within its own deadline, and never a batch: when
// a batch gets no answer, its reads are sent again and its writes fail. Watches resume by themselves.
func retry(cfg Config) Layer {
	return func(next connect.Transport) connect.Transport {
		return &retrying{cfg: cfg, next: next, client: connect.NewClient(next)}
	}
}

type retrying struct {
	cfg    Config
	next   connect.Transport
	client *connect.Client // over next
	budget budget
}

// NewClientStream implements [connect.Transport].
func (r *retrying) NewClientStream(ctx context.Context, spec connect.Spec) (connect.ClientStream, error) {
	if spec.StreamType != connect.StreamTypeUnary {
		return r.next.NewClientStream(ctx, spec)
	}
	return &retriedCall{retrying: r, ctx: ctx, spec: spec}, nil
}

// retriedCall is a unary call as connect drives it: one Send, then one Receive.
type retriedCall struct {
	*retrying
	ctx      context.Context // the caller's
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
		err := c.client.CallUnary(c.ctx, c.spec, c.request, message)
		if !c.again(err) || attempt == maxAttempts {
			return err
		}
		wait := waits.Next()
		if deadline, ok := c.ctx.Deadline(); ok && time.Until(deadline) <= wait {
			return err // more informative than an expired deadline
		}
		if c.cfg.OnRetry != nil {
			c.cfg.OnRetry(c.ctx, c.spec, wait, err)
		}
		if Pause(c.ctx, wait); c.ctx.Err() != nil {
			return c.ctx.Err()
		}
	}
}

// again reports whether to retry the call after err, and accounts for err in the budget.
func (c *retriedCall) again(err error) bool {
	if answered(err) {
		c.budget.earn()
		return false
	}
	if c.ctx.Err() != nil || errors.Is(err, errSilent) {
		return false
	}
	safe := false
	switch Classify(c.request, err) {
	case contract.Overloaded, contract.LogBehind:
		safe = c.cfg.RetryOverloaded // the service did nothing
	case contract.ServiceUnavailable:
		safe = readOnly(c.spec, c.request) || unsent(err)
	default:
		return false // would fail again, or has used up its time
	}
	return c.budget.spend() && safe
}

// answered reports whether the service has handled the call, even if by rejecting it.
func answered(err error) bool {
	return err == nil || isRemote(err) && connect.CodeOf(err) != connect.CodeUnavailable &&
		connect.CodeOf(err) != connect.CodeDeadlineExceeded
}

// isRemote reports whether the service sent err.
func isRemote(err error) bool {
	e, ok := errors.AsType[*connect.Error](err)
	return ok && e.IsRemote()
}

// readOnly reports whether a call changes nothing, so that it may be sent twice.
func readOnly(spec connect.Spec, request any) bool {
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

// unsent reports whether a call certainly did not reach a service, because no connection could be opened for it.
func unsent(err error) bool {
	e, ok := errors.AsType[*net.OpError](err)
	return ok && e.Op == "dial"
}
