package batching

import (
	"context"
	"time"

	keyvaluev1 "key-value/gen/keyvalue/v1"
)

// batch is a request with the operations of several calls.
type batch struct {
	calls  []*call
	waited int                // callers that have not left; guarded by transport.mu
	ctx    context.Context    //nolint:containedctx // it outlives any one of the calls
	cancel context.CancelFunc // ends the request
}

// run sends batch after batch from one place, until nothing waits or a single call takes the place over.
func (t *transport) run() {
	for b := t.take(); b != nil; b = t.take() {
		t.send(b)
		b.cancel()
	}
}

// take returns the next batch, or nil if the place of its caller now belongs to somebody else or to nobody.
func (t *transport) take() *batch {
	t.mu.Lock()
	defer t.mu.Unlock()
	calls := t.takeCallsLocked()
	switch len(calls) {
	case 0:
		t.running--
		return nil
	case 1:
		calls[0].place = true
		close(calls[0].done)
		return nil
	}
	b := &batch{calls: calls, waited: len(calls)}
	b.ctx, b.cancel = contextOf(calls)
	for _, c := range calls {
		c.batch = b
	}
	return b
}

// takeCallsLocked removes as many calls from what waits as fit into a batch.
func (t *transport) takeCallsLocked() []*call {
	var calls []*call
	n, weight := 0, 0
	for ; n < len(t.waiting) && len(calls) < batchOperations; n++ {
		c := t.waiting[n]
		if c.left {
			continue
		}
		if weight += c.weight; weight > batchBytes {
			break // never the first: it would have gone alone
		}
		calls = append(calls, c)
	}
	rest := copy(t.waiting, t.waiting[n:])
	clear(t.waiting[rest:])
	t.waiting = t.waiting[:rest]
	return calls
}

// contextOf returns a context that ends when the last of calls would have, and carries nothing of theirs.
func contextOf(calls []*call) (context.Context, context.CancelFunc) {
	var latest time.Time
	for _, c := range calls {
		deadline, ok := c.ctx.Deadline()
		if !ok {
			return context.WithCancel(context.Background())
		}
		if deadline.After(latest) {
			latest = deadline
		}
	}
	return context.WithDeadline(context.Background(), latest)
}

// call sends req, which is b, with what its calls have in their contexts.
func (t *transport) call(b *batch, req *keyvaluev1.BatchRequest) (*keyvaluev1.BatchResponse, error) {
	if t.gather == nil {
		return t.service.Batch(b.ctx, req)
	}
	contexts := make([]context.Context, len(b.calls))
	for i, c := range b.calls {
		contexts[i] = c.ctx
	}
	ctx, ended := t.gather(b.ctx, contexts)
	res, err := t.service.Batch(ctx, req)
	ended(err)
	return res, err
}

// send makes the calls of b.
func (t *transport) send(b *batch) {
	req := &keyvaluev1.BatchRequest{
		Operations: make([]*keyvaluev1.Operation, len(b.calls)), MaxContentBytes: batchBytes,
	}
	for i, c := range b.calls {
		req.Operations[i] = c.method.Wrap(c.request)
	}
	res, err := t.call(b, req)
	if err == nil && len(res.GetResults()) != len(b.calls) {
		err = errIncomplete
	}
	for i, c := range b.calls {
		if err != nil {
			c.finish(nil, err)
			continue
		}
		c.finish(res.GetResults()[i], nil)
	}
}
