package admission

import (
	"context"
	"sync"

	"connectrpc.com/connect/v2"
)

// Transport returns a transport that carries calls over next as long as l lets them in, and large ones when it is their
// turn. Streams are for the service to bound, and GetStats, which says whether the service is there, is always let in.
func (l *Limiter) Transport(next connect.Transport) connect.Transport { return transport{next, l} }

type transport struct {
	next    connect.Transport
	limiter *Limiter
}

func (t transport) NewClientStream(ctx context.Context, spec connect.Spec) (connect.ClientStream, error) {
	if !counted(spec.Procedure) {
		return t.next.NewClientStream(ctx, spec)
	}
	leave := t.limiter.Release
	if large(spec.Procedure) {
		if err := t.limiter.AcquireLarge(ctx); err != nil {
			return nil, err
		}
		leave = func() { t.limiter.ReleaseLarge(ctx) }
	} else if err := t.limiter.Acquire(); err != nil {
		return nil, err
	}
	stream, err := t.next.NewClientStream(ctx, spec)
	if err != nil {
		leave()
		return nil, err
	}
	return &call{ClientStream: stream, leave: leave}, nil
}

// call is a unary call that was let in. It is over when it is closed.
type call struct {
	connect.ClientStream
	leave func()
	over  sync.Once
}

func (c *call) Close() error {
	c.over.Do(c.leave)
	return c.ClientStream.Close()
}
