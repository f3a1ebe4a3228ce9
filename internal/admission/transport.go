package admission

import (
	"context"
	"sync"

	"connectrpc.com/connect/v2"

	"key-value/internal/contract"
)

// Transport returns a transport over next that makes the calls which l admits. It does not limit streams, which the
// service bounds, nor calls that tell whether the service works.
func (l *Limiter) Transport(next connect.Transport) connect.Transport { return transport{next, l} }

type transport struct {
	next    connect.Transport
	limiter *Limiter
}

func (t transport) NewClientStream(ctx context.Context, spec connect.Spec) (connect.ClientStream, error) {
	release, err := t.limiter.acquire(ctx, sizeOf(spec.Procedure))
	switch {
	case err != nil:
		return nil, err
	case release == nil:
		return t.next.NewClientStream(ctx, spec)
	}
	stream, err := t.next.NewClientStream(ctx, spec)
	if err != nil {
		release()
		return nil, err
	}
	return &call{ClientStream: stream, release: release}, nil
}

// acquire acquires what a call of this size needs, and returns a function that releases it, nil if calls of
// this size are not bounded.
func (l *Limiter) acquire(ctx context.Context, size contract.Size) (release func(), err error) {
	switch size {
	case contract.OneEntry:
		return l.Release, l.Acquire()
	case contract.ManyEntries:
		return func() { l.ReleaseLarge(ctx) }, l.AcquireLarge(ctx)
	}
	return nil, nil
}

// call is a stream that releases what it acquired when it is closed.
type call struct {
	connect.ClientStream
	release func()
	closed  sync.Once
}

func (c *call) Close() error {
	c.closed.Do(c.release)
	return c.ClientStream.Close()
}
