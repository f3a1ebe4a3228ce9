// Package batching is a transport that makes many small calls cheap: while one request is on its way to the
// service, the calls that arrive meanwhile wait together, and then travel as one Batch.
//
// No timer is involved. A call that finds nothing under way goes at once and by itself, exactly as it would
// without this package; the more calls there are at a time, the more of them share a request. Each keeps its own
// context, deadline and error: one caller going away, or one operation failing, is no matter to the others.
package batching

import (
	"context"
	"runtime"
	"sync"

	"connectrpc.com/connect/v2"

	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/contract"
)

const (
	// inFlight is how many requests carry batched calls at a time. With one, the service would idle while an
	// answer travels; with many, there would be little to share.
	inFlight = 2
	// batchOperations bounds the operations of one batch.
	batchOperations = 256
	// batchBytes bounds what the operations of one batch weigh, and likewise the content that they bring back.
	// A value that does not fit is fetched by itself, so that small ones need not wait for it.
	batchBytes = 256 << 10
	// largeBytes is from when on a request travels by itself, for the same reason.
	largeBytes = 16 << 10
)

// Gather is told of a batch that is about to be sent, with the contexts of its calls, and returns the context to send it
// with. That is made from ctx, which carries nothing of theirs. Ended is called with how the batch ended.
type Gather func(ctx context.Context, calls []context.Context) (sent context.Context, ended func(error))

// New returns a transport that carries calls over next, and gathers those that wait. Gather is called for each batch, so
// that it can carry what its calls have in their contexts; nil: it carries nothing of theirs.
func New(next connect.Transport, gather Gather) connect.Transport {
	client := connect.NewClient(next)
	return &transport{next: next, client: client, service: keyvaluev1connect.NewKeyValueServiceClient(client), gather: gather}
}

type transport struct {
	next    connect.Transport
	client  *connect.Client
	service keyvaluev1connect.KeyValueServiceClient
	gather  Gather // nil: batches carry nothing of their calls

	mu      sync.Mutex
	waiting []*call // in order of arrival; guarded by mu
	running int     // places that are taken, of inFlight; guarded by mu
}

// NewClientStream implements [connect.Transport]. Streams, calls that no batch knows, and calls with headers of
// their own, for which a batch has no room, go to next.
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

// do makes one call, whichever way is best.
func (t *transport) do(c *call) error {
	if c.weight > largeBytes || !encodable(c.request) {
		return t.alone(c)
	}
	t.mu.Lock()
	if t.running == inFlight {
		t.waiting = append(t.waiting, c)
		t.mu.Unlock()
		return t.await(c)
	}
	t.running++ // c takes a place, and keeps it if it goes alone
	t.mu.Unlock()
	// Others who are about to call, because one answer woke them all, get the chance to come along.
	runtime.Gosched()
	t.mu.Lock()
	if len(t.waiting) == 0 {
		t.mu.Unlock()
		defer t.finished()
		return t.alone(c)
	}
	t.waiting = append(t.waiting, c)
	t.mu.Unlock()
	go t.run()
	return t.await(c)
}

// alone makes the call as if there were no batches.
func (t *transport) alone(c *call) error {
	return t.client.CallUnary(c.ctx, c.spec, c.request, c.response)
}

// finished gives the place of a request that is done to those that wait.
func (t *transport) finished() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.finishedLocked()
}

func (t *transport) finishedLocked() {
	if len(t.waiting) == 0 {
		t.running--
		return
	}
	go t.run()
}

// await waits until c is done or is told to go alone, or until its caller gives up.
func (t *transport) await(c *call) error {
	select {
	case <-c.done:
	case <-c.ctx.Done():
		t.leave(c)
		return c.ctx.Err()
	}
	switch {
	case c.place:
		defer t.finished()
		return t.alone(c)
	case isDenied(c.err):
		return t.alone(c)
	case c.err != nil:
		return c.err
	case isBeyond(c.result):
		return t.alone(c)
	}
	return c.receive()
}

// leave forgets c, whose caller has gone. It ends a request that nobody waits for any more.
func (t *transport) leave(c *call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c.left = true
	switch {
	case c.place:
		t.finishedLocked()
	case c.batch != nil:
		if c.batch.waited--; c.batch.waited == 0 {
			c.batch.cancel()
		}
	}
}
