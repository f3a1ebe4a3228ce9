package auth

import (
	"context"
	"time"

	"connectrpc.com/connect/v2"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
)

// Authorize is a client interceptor that lets a call out only on behalf of somebody who was authenticated, and who may
// make it. It sees each request before anything is looked up, whether it came over REST or RPC. A stream that the
// caller may no longer have, because its key was changed or has expired, ends.
func Authorize(next connect.ClientFunc) connect.ClientFunc {
	return func(ctx context.Context, spec connect.Spec) (connect.ClientStream, error) {
		p := FromContext(ctx)
		switch {
		case p == nil:
			return nil, contract.APIKeyInvalid.Errorf("the call was made on behalf of nobody")
		case spec.StreamType != connect.StreamTypeUnary:
			return p.openGuarded(ctx, spec, next)
		case p.all && p.rate == nil:
			return next(ctx, spec)
		}
		stream, err := next(ctx, spec)
		if err != nil {
			return nil, err
		}
		return authorized{stream, p}, nil
	}
}

// authorized is a unary call.
type authorized struct {
	connect.ClientStream
	p *Principal
}

func (s authorized) Send(message any) error {
	if err := s.p.may(message); err != nil {
		return err
	}
	s.p.charge(message)
	return s.ClientStream.Send(message)
}

// charge counts the operations of a batch, of which authentication has counted one.
func (p *Principal) charge(message any) {
	batch, ok := message.(*keyvaluev1.BatchRequest)
	if ok && p.rate != nil && len(batch.GetOperations()) > 1 {
		p.rate.owe(len(batch.GetOperations()) - 1)
	}
}

// guarded is a stream that ends when its caller loses the right to it.
type guarded struct {
	connect.ClientStream
	ctx   context.Context //nolint:containedctx // the stream's own
	guard *guard
}

func (p *Principal) openGuarded(ctx context.Context, spec connect.Spec, next connect.ClientFunc) (connect.ClientStream, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	stream, err := next(ctx, spec)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	return &guarded{stream, ctx, &guard{p: p, end: cancel}}, nil
}

func (s *guarded) Send(message any) error {
	if err := s.guard.p.may(message); err != nil {
		_ = s.Close() // nobody else does so for a stream that was never opened
		return err
	}
	s.guard.request = message
	s.guard.p.keys.keep(s.guard)
	return s.ClientStream.Send(message)
}

// Receive returns no message any more once the right is lost.
func (s *guarded) Receive(message any) error {
	err := s.ClientStream.Receive(message)
	if lost, ok := context.Cause(s.ctx).(*connect.Error); ok {
		return lost
	}
	return err
}

func (s *guarded) Close() error {
	s.guard.p.keys.release(s.guard)
	s.guard.end(nil)
	return s.ClientStream.Close()
}

// guard is a call that lasts, and whose right to go on is looked at again and again.
type guard struct {
	p       *Principal
	request any // what it asked for
	end     context.CancelCauseFunc
}

// keep looks after g until it is released. Nil keys never change, and have nothing to look after.
func (k *Keys) keep(g *guard) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.guards[g] = struct{}{}
}

func (k *Keys) release(g *guard) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.guards, g)
}

// review ends the calls that may not go on: their key is not valid any more, or allows less than they need.
func (k *Keys) review(now time.Time) {
	set := k.current()
	k.mu.Lock()
	defer k.mu.Unlock()
	for g := range k.guards {
		p := set.find(g.p.ID, g.p.hash, now)
		err := errNotValid
		if p != nil {
			err = p.may(g.request)
		}
		if err != nil {
			delete(k.guards, g)
			g.end(err)
		}
	}
}
