package batching

import (
	"context"
	"time"

	keyvaluev1 "key-value/gen/keyvalue/v1"
)

// batch is a request with the operations of several calls.
type batch struct {
	calls   []*call
	callers int                // callers that have not given up; guarded by transport.mu
	ctx     context.Context    // it outlives each single call
	cancel  context.CancelFunc // ends the request
}

// sendBatches uses one slot to send batches until the queue is empty or a single call takes the slot over.
func (t *transport) sendBatches() {
	for b := t.nextBatch(); b != nil; b = t.nextBatch() {
		t.send(b)
		b.cancel()
	}
}

// nextBatch returns the next batch, or nil if the caller no longer has its slot: a single call took it over, or it was freed.
func (t *transport) nextBatch() *batch {
	t.mu.Lock()
	defer t.mu.Unlock()
	calls := t.dequeueLocked()
	switch len(calls) {
	case 0:
		t.taken--
		return nil
	case 1:
		calls[0].slot = true
		close(calls[0].done)
		return nil
	}
	b := &batch{calls: calls, callers: len(calls)}
	b.ctx, b.cancel = contextOf(calls)
	for _, c := range calls {
		c.batch = b
	}
	return b
}

// dequeueLocked removes calls from the queue, as many as fit into a batch.
func (t *transport) dequeueLocked() []*call {
	var calls []*call
	n, size := 0, 0
	for ; n < len(t.queue) && len(calls) < maxOperations; n++ {
		c := t.queue[n]
		if c.abandoned {
			continue
		}
		if size += c.size; size > maxBatchBytes {
			break // never at the first one, which is not large
		}
		calls = append(calls, c)
	}
	rest := copy(t.queue, t.queue[n:])
	clear(t.queue[rest:])
	t.queue = t.queue[:rest]
	return calls
}

// contextOf returns a context that ends at the latest deadline of calls, if they all have one, and carries none of their
// values.
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

// send sends b and gives each of its calls an outcome.
func (t *transport) send(b *batch) {
	req := &keyvaluev1.BatchRequest{
		Operations: make([]*keyvaluev1.Operation, len(b.calls)), MaxContentBytes: maxBatchBytes,
	}
	for i, c := range b.calls {
		req.Operations[i] = c.method.Wrap(c.request)
	}
	res, err := t.call(b, req)
	if err == nil && len(res.GetResults()) != len(b.calls) {
		err = errMismatch
	}
	for i, c := range b.calls {
		if err != nil {
			c.finish(nil, err)
			continue
		}
		c.finish(res.GetResults()[i], nil)
	}
}

// call sends req, the request of b, with what the contexts of its calls have.
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
