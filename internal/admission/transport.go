package admission

import (
	"context"
	"sync"

	"connectrpc.com/connect/v2"

	"key-value/internal/contract"
)

// Transport returns a transport over next that makes the calls which l admits. It does not limit calls that tell whether
// the service works.
func (l *Limiter) Transport(next connect.Transport) connect.Transport { return transport{next, l} }

type transport struct {
	next    connect.Transport
	limiter *Limiter
}

func (t transport) NewClientStream(ctx context.Context, spec connect.Spec) (connect.ClientStream, error) {
	size := sizeOf(spec.Procedure)
	if size == contract.Exempt {
		return t.next.NewClientStream(ctx, spec)
	}
	if err := t.limiter.acquire(ctx, size); err != nil {
		return nil, err
	}
	stream, err := t.next.NewClientStream(ctx, spec)
	if err != nil {
		t.limiter.release(ctx, size)
		return nil, err
	}
	return &call{ClientStream: stream, limiter: t.limiter, ctx: ctx, size: size}, nil
}

// acquire admits a call of this size, or returns an error. The caller must call release when an admitted call is over.
func (l *Limiter) acquire(ctx context.Context, size contract.Size) error {
	switch size {
	case contract.ManyEntries:
		return l.AcquireLarge(ctx)
	case contract.OpenEnded:
		return l.AcquireWatch(ctx)
	}
	return l.Acquire(ctx)
}

// release ends a call that acquire admitted with ctx.
func (l *Limiter) release(ctx context.Context, size contract.Size) {
	switch size {
	case contract.ManyEntries:
		l.ReleaseLarge(ctx)
	case contract.OpenEnded:
		l.ReleaseWatch(ctx)
	default:
		l.Release(ctx)
	}
}

// call is a stream that is released when it is closed.
type call struct {
	connect.ClientStream
	limiter *Limiter
	ctx     context.Context //nolint:containedctx // the call's own
	size    contract.Size
	closed  sync.Once
}

func (c *call) Close() error {
	c.closed.Do(func() { c.limiter.release(c.ctx, c.size) })
	return c.ClientStream.Close()
}
