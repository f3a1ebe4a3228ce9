package hop

import (
	"context"
	"sync/atomic"
	"time"

	"connectrpc.com/connect/v2"

	"key-value/internal/contract"
)

const (
	// silenceLimit is how long a service may leave every pending call unanswered before further calls are rejected. It is
	// longer than any call takes that the service handles.
	silenceLimit = 3 * time.Second
	// probeInterval is how often a call is sent to a silent service to find out whether it answers again.
	probeInterval = 100 * time.Millisecond
)

var errSilent = contract.ServiceUnavailable.RetryAfter(time.Second, "the service has stopped answering; the call was not sent")

// breaker is a layer that rejects unary calls at once while the service answers none of them, instead of holding them
// and all their resources until their deadlines (Nygard, "Release It!", "Circuit Breaker"). A service that rejects calls
// or cannot be reached needs no breaker, because its calls fail soon. Any answer closes the breaker.
func breaker(next connect.Transport) connect.Transport {
	return &breaking{next: next, start: time.Now()}
}

type breaking struct {
	next    connect.Transport
	start   time.Time
	pending atomic.Int64 // calls that were sent and have not ended

	// Times in nanoseconds since start, which setting the wall clock does not change.
	heard     atomic.Int64 // when the service last answered, or a call began while none was pending
	suspected atomic.Int64 // when a call first found the service silent since heard
	probed    atomic.Int64 // when the latest probe was sent
}

// NewClientStream implements [connect.Transport].
func (b *breaking) NewClientStream(ctx context.Context, spec connect.Spec) (connect.ClientStream, error) {
	if spec.StreamType != connect.StreamTypeUnary {
		return b.next.NewClientStream(ctx, spec)
	}
	if !b.enter() {
		return nil, errSilent
	}
	stream, err := b.next.NewClientStream(ctx, spec)
	if err != nil {
		b.leave(isRemote(err))
		return nil, err
	}
	return &breakingCall{ClientStream: stream, breaker: b}, nil
}

// breakingCall is a pending call. It ends when it is closed.
type breakingCall struct {
	connect.ClientStream
	breaker  *breaking
	answered bool
	closed   bool
}

func (c *breakingCall) Send(message any) error {
	err := c.ClientStream.Send(message)
	c.answered = c.answered || isRemote(err)
	return err
}

func (c *breakingCall) Receive(message any) error {
	err := c.ClientStream.Receive(message)
	c.answered = c.answered || err == nil || isRemote(err)
	return err
}

func (c *breakingCall) Close() error {
	if !c.closed {
		c.closed = true
		c.breaker.leave(c.answered)
	}
	return c.ClientStream.Close()
}

func (b *breaking) now() int64 { return int64(time.Since(b.start)) }

// enter reports whether a call may be sent. If so, leave must be called when it ends.
func (b *breaking) enter() bool {
	now := b.now()
	if b.pending.Add(1) == 1 {
		b.heard.Store(now)
		return true
	}
	if now-b.heard.Load() < int64(silenceLimit) || now-b.suspectedSince(now) < int64(probeInterval) {
		return true
	}
	if probed := b.probed.Load(); now-probed >= int64(probeInterval) && b.probed.CompareAndSwap(probed, now) {
		return true
	}
	b.pending.Add(-1)
	return false
}

// suspectedSince returns when a call first found the service silent since its latest answer, which may be now. Until that
// call has had time to be answered, the pending ones may all be slow.
func (b *breaking) suspectedSince(now int64) int64 {
	suspected := b.suspected.Load()
	if suspected > b.heard.Load() {
		return suspected
	}
	b.suspected.CompareAndSwap(suspected, now)
	return now
}

// leave ends a call.
func (b *breaking) leave(answered bool) {
	if answered {
		b.heard.Store(b.now())
	}
	b.pending.Add(-1)
}
