package admission

import (
	"context"
	"sync"

	"connectrpc.com/connect/v2"

	"key-value/internal/contract"
)

// Transport returns a transport that carries calls over next as long as l lets them in, and large ones when it is their
// turn. Streams are for the service to bound, and GetStats, which says whether the service is there, is always let in.
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
