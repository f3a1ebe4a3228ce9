package auth

import (
	"context"
	"time"

	"connectrpc.com/connect/v2"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
)

// errNoCaller is the error of a call that came past [Keys.Authenticate].
var errNoCaller error = contract.APIKeyInvalid.Errorf("the call has no authenticated caller")

// Authorize is a client interceptor that makes only calls whose context has a principal with the right to make them. It
// checks each request before anything is looked up. A stream ends when its caller loses the right to it, because the
// key was changed or has expired, or the ticket has.
func Authorize(next connect.ClientFunc) connect.ClientFunc {
	return func(ctx context.Context, spec connect.Spec) (connect.ClientStream, error) {
		p := FromContext(ctx)
		switch {
		case p == nil:
			return nil, errNoCaller
		case spec.StreamType != connect.StreamTypeUnary:
			return p.openStream(ctx, spec, next)
		case p.all && p.rate == nil:
			return next(ctx, spec)
		}
		stream, err := next(ctx, spec)
		if err != nil {
			return nil, err
		}
		return grantedCall{stream, p}, nil
	}
}

// grantedCall is a unary call of a principal whose request is checked.
type grantedCall struct {
	connect.ClientStream
	p *Principal
}

func (c grantedCall) Send(message any) error {
	if err := c.p.may(message); err != nil {
		return err
	}
	c.p.charge(message)
	return c.ClientStream.Send(message)
}

// charge counts the operations of a batch against the rate of the key. TakeToken has counted the first.
func (p *Principal) charge(message any) {
	batch, ok := message.(*keyvaluev1.BatchRequest)
	if ok && p.rate != nil && len(batch.GetOperations()) > 1 {
		p.rate.owe(len(batch.GetOperations()) - 1)
	}
}

// grantedStream is a stream that ends when its caller loses the right to it.
type grantedStream struct {
	connect.ClientStream
	ctx     context.Context // the stream's own
	end     context.CancelCauseFunc
	p       *Principal
	request any         // set before the stream is in Keys.streams
	expiry  *time.Timer // ends the stream when the caller's ticket expires; nil: it sent a key
}

func (p *Principal) openStream(ctx context.Context, spec connect.Spec, next connect.ClientFunc) (connect.ClientStream, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	stream, err := next(ctx, spec)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	s := &grantedStream{ClientStream: stream, ctx: ctx, end: cancel, p: p}
	if p.ticket != nil {
		s.expiry = time.AfterFunc(time.Until(p.ticket.expires), func() { cancel(errTicketExpired) })
	}
	return s, nil
}

func (s *grantedStream) Send(message any) error {
	if err := s.p.may(message); err != nil {
		_ = s.Close() // the caller does not close a stream that failed to open
		return err
	}
	s.request = message
	s.p.keys.addStream(s)
	return s.ClientStream.Send(message)
}

// Receive returns the reason why the right was lost once it is.
func (s *grantedStream) Receive(message any) error {
	err := s.ClientStream.Receive(message)
	if lost, ok := context.Cause(s.ctx).(*connect.Error); ok {
		return lost
	}
	return err
}

func (s *grantedStream) Close() error {
	s.p.keys.removeStream(s)
	if s.expiry != nil {
		s.expiry.Stop()
	}
	s.end(nil)
	return s.ClientStream.Close()
}

// addStream has review check s until it is removed. Nil keys never change, so their streams need no review.
func (k *Keys) addStream(s *grantedStream) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.streams[s] = struct{}{}
}

func (k *Keys) removeStream(s *grantedStream) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.streams, s)
}

// review ends the streams whose key is no longer valid, or no longer allows them.
func (k *Keys) review(now time.Time) {
	set := k.current()
	k.mu.Lock()
	defer k.mu.Unlock()
	for s := range k.streams {
		p := set.find(s.p.ID, s.p.hash, now)
		err := errInvalid
		switch {
		case p != nil:
			err = p.may(s.request)
		case s.p.ticket != nil:
			err = errTicketInvalid
		}
		if err != nil {
			delete(k.streams, s)
			s.end(err)
		}
	}
}
