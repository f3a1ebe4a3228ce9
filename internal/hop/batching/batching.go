// Package batching is a transport that makes many small calls cheap: calls that arrive while earlier requests are under
// way wait, and are then sent together as one Batch.
//
// There is no timer. A call that finds nothing under way is sent at once and by itself, as it would be without this
// package; the more concurrent calls there are, the more of them share a request. Each call keeps its own context,
// deadline and error: a caller that gives up and an operation that fails do not affect the others.
package batching

import (
	"context"
	"runtime"
	"sync"

	"connectrpc.com/connect/v2"

	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/contract"
	"key-value/internal/lazyctx"
)

const (
	// maxRequests is how many requests may be under way at a time, not counting those of large calls. With one, the service
	// would be idle while an answer travels; with many, few calls would wait and share a request.
	maxRequests = 2
	// maxOperations is how many operations a batch may have.
	maxOperations = 256
	// maxBatchBytes is how large the operations of a batch may be together, in bytes, and likewise the content that they
	// return. A value that does not fit is fetched by a request of its own, so that small ones need not wait for it.
	//
	// Batches are charged to no caller's account: all that are under way take at most a few times maxRequests of that. A
	// request for an omitted value is its caller's, and so is a large call.
	maxBatchBytes = 256 << 10
	// largeBytes is the size from which a call is sent by itself, in bytes, for the same reason.
	largeBytes = 16 << 10
)

// Gather returns the context with which to send a batch, derived from ctx, so that it can carry what the contexts of its
// calls have. Ended is called with the outcome of the batch.
type Gather func(ctx context.Context, calls []context.Context) (sent context.Context, ended func(error))

// New returns a transport that carries calls over next and batches those that wait. If gather is nil, batches carry
// nothing of the contexts of their calls.
func New(next connect.Transport, gather Gather) connect.Transport {
	client := connect.NewClient(next)
	return &transport{next: next, client: client, service: keyvaluev1connect.NewKeyValueServiceClient(client), gather: gather}
}

// transport lets calls pass in one of maxRequests slots. A call that finds a free slot takes it and is sent by itself.
// If all are taken, it joins the queue; when a request ends, its slot goes to a batch of the calls in the queue.
type transport struct {
	next    connect.Transport
	client  *connect.Client                         // over next, for single calls
	service keyvaluev1connect.KeyValueServiceClient // over next, for batches
	gather  Gather                                  // nil: batches carry nothing of their calls
	waiter  lazyctx.Waiter                          // for calls in the queue and in batches

	mu    sync.Mutex
	queue []*call // oldest first; guarded by mu
	taken int     // slots in use, at most maxRequests; guarded by mu
}

// NewClientStream implements [connect.Transport]. Streams, calls that are no operation of a batch, and calls with headers,
// which a batch could not keep apart, go straight to next.
func (t *transport) NewClientStream(ctx context.Context, spec connect.Spec) (connect.ClientStream, error) {
	method := contract.MethodOf(spec.Procedure)
	if !method.Batchable() {
		return t.next.NewClientStream(ctx, spec)
	}
	if info, ok := connect.CallInfoForClientContext(ctx); ok && info.RequestHeader().Len() != 0 {
		return t.next.NewClientStream(ctx, spec)
	}
	return &stream{transport: t, call: call{ctx: ctx, spec: spec, method: method}}, nil
}

// do carries out one call, by itself or in a batch.
func (t *transport) do(c *call) error {
	if c.size > largeBytes || !encodable(c.request) {
		return t.single(c)
	}
	t.mu.Lock()
	if t.taken == maxRequests {
		t.enqueueLocked(c)
		t.mu.Unlock()
		return t.await(c)
	}
	t.taken++ // for c, or for a batch that contains it
	t.mu.Unlock()
	// One answer may have woken many callers. Let those that are about to call again join the queue, and share a request.
	runtime.Gosched()
	t.mu.Lock()
	if len(t.queue) == 0 {
		t.mu.Unlock()
		defer t.release()
		return t.single(c)
	}
	t.enqueueLocked(c)
	t.mu.Unlock()
	go t.sendBatches()
	return t.await(c)
}

// single sends c by itself.
func (t *transport) single(c *call) error {
	return t.client.CallUnary(c.ctx, c.spec, c.request, c.response)
}

func (t *transport) enqueueLocked(c *call) {
	c.done = make(chan struct{})
	t.queue = append(t.queue, c)
}

// await waits until c has an outcome or its caller gives up. It sends c by itself if a batch was not able to answer it.
func (t *transport) await(c *call) error {
	if err := t.waiter.Wait(c.ctx, c.done); err != nil {
		t.abandon(c)
		return err
	}
	switch {
	case c.slot:
		defer t.release()
		return t.single(c)
	case isDenied(c.err):
		return t.single(c)
	case c.err != nil:
		return c.err
	case isOmitted(c.result):
		c.request = uncounted(c.request)
		return t.single(c)
	}
	return c.receive()
}

// abandon drops c, whose caller gave up. It cancels a batch that has no other callers left.
func (t *transport) abandon(c *call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c.abandoned = true
	switch {
	case c.slot:
		t.releaseLocked()
	case c.batch != nil:
		if c.batch.callers--; c.batch.callers == 0 {
			c.batch.cancel()
		}
	}
}

// release frees a slot, or passes it on to the calls in the queue.
func (t *transport) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.releaseLocked()
}

func (t *transport) releaseLocked() {
	if len(t.queue) == 0 {
		t.taken--
		return
	}
	go t.sendBatches()
}
