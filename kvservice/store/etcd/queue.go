package etcd

import (
	"context"
	"fmt"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"key-value/kvservice/store"
)

// call is operations that wait for the writer, or that it carries out.
type call struct {
	ops    []store.Operation
	atomic bool
	// condition is one more that must hold. If it does not, the call fails with errConflict.
	condition *pb.Compare
	results   []store.Result
	err       error         // of all operations, if they are atomic
	done      chan struct{} // closed when all operations have results

	// Guarded by queue.mu:
	next      int  // how many operations have been taken
	left      int  // how many have no result
	abandoned bool // whether the caller has gone, so that no more are to be taken
}

// queue is the calls that wait for the writer.
type queue struct {
	wake chan struct{} // has an element when there is a call

	mu    sync.Mutex
	calls []*call // guarded by mu
}

func (q *queue) add(c *call) {
	q.mu.Lock()
	q.calls = append(q.calls, c)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take fills g with what waits, as far as it fits. It returns false if nothing waits.
func (q *queue) take(g *group) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.calls) > 0 {
		c := q.calls[0]
		if !c.abandoned && !c.takeLocked(g) {
			break
		}
		q.calls[0], q.calls = nil, q.calls[1:]
	}
	return len(g.parts) > 0
}

// takeLocked adds what is left of c to g, and reports whether all of it fitted.
func (c *call) takeLocked(g *group) bool {
	if c.atomic {
		if len(g.parts) > 0 && (c.condition != nil || !g.fits(c.ops)) {
			return false
		}
		g.add(c, 0, len(c.ops))
		c.next = len(c.ops)
		return true
	}
	first := c.next
	for c.next < len(c.ops) {
		if (len(g.parts) > 0 || c.next > first) && !g.fits(c.ops[c.next:c.next+1]) {
			break
		}
		g.count(c.ops[c.next])
		c.next++
	}
	if c.next > first {
		g.parts = append(g.parts, part{c, first, c.next})
	}
	return c.next == len(c.ops)
}

// finish records that operations of c have their results.
func (q *queue) finish(c *call, n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if c.left -= n; c.left == 0 {
		close(c.done)
	}
}

// abandon withdraws what has not been taken of c, and returns the numbers of its operations that were.
func (q *queue) abandon(c *call) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	c.abandoned = true
	return c.next
}

// do carries out operations with others that wait. The results of operations that are not atomic have errors of their own.
func (w *writer) do(ctx context.Context, ops []store.Operation, atomic bool) ([]store.Result, error) {
	return w.submit(ctx, &call{ops: ops, atomic: atomic})
}

// submit is do for a call that may have a condition.
func (w *writer) submit(ctx context.Context, c *call) ([]store.Result, error) {
	c.results, c.done, c.left = make([]store.Result, len(c.ops)), make(chan struct{}), len(c.ops)
	w.queue.add(c)
	limit := patienceOf(ctx)
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-c.done:
		return c.results, c.err
	case <-ctx.Done():
	case <-w.engine.ctx.Done():
	case <-timer.C:
	}
	taken := w.queue.abandon(c)
	select {
	case <-c.done: // just now
		return c.results, c.err
	default:
	}
	switch closed := w.engine.ctx.Err() != nil; {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case closed && taken == 0:
		return nil, store.ErrClosed
	case closed:
		return nil, fmt.Errorf("%w: the store was closed before etcd answered", store.ErrUnknownOutcome)
	case taken == 0:
		return nil, fmt.Errorf("%w: no member of etcd could take the write within %v", store.ErrUnavailable, limit)
	default:
		return nil, fmt.Errorf("%w: etcd has not answered within %v", store.ErrUnknownOutcome, limit)
	}
}
