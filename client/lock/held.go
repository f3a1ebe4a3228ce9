package lock

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
)

// Held is a lock that this caller holds. It is renewed until it is unlocked or lost, so it must be unlocked.
type Held struct {
	member   *member
	ctx      context.Context
	unlocked atomic.Bool
}

// hold returns the lock, whose context ends with ctx too.
func (m *member) hold(ctx context.Context) *Held {
	ctx, cancel := context.WithCancelCause(ctx)
	context.AfterFunc(m.alive, func() { cancel(context.Cause(m.alive)) })
	m.running.Go(m.guard)
	return &Held{member: m, ctx: ctx}
}

// Context returns the context for what is done under the lock. It is derived from the one that was given to [Lock.Lock],
// and also ends when the lock may be lost, with [ErrLost] as its context.Cause, and when it is unlocked, with [ErrUnlocked].
//
// While this context has ended because its parent has, the lock is still held until [Held.Unlock], so what was
// begun can be brought to an end.
func (h *Held) Context() context.Context { return h.ctx }

// Fence returns a number that is greater than that of every earlier holder of the lock: the revision with which this caller
// came to the queue. A resource that refuses numbers smaller than the greatest one it has seen is safe from earlier holders
// that do not know yet that they are. [client.Entry.Revision] says what a clock that is set back does to it.
func (h *Held) Fence() uint64 { return h.member.ticket }

// Key returns the key of the entry that exists as long as this caller holds the lock. An atomic batch that gets it fails with
// [client.ErrNotFound] and changes nothing if the lock was lost, so what is written to the same store needs no fence:
//
//	_, err = kv.AtomicBatch(ctx, client.OpGet(held.Key()), client.OpSet("balance", value))
//
// In Redis, what is written needs the name of the lock as its tag, such as {NAME}/balance.
func (h *Held) Key() string { return h.member.key }

// Unlock lets the next caller in and ends [Held.Context]. Do it once what was done under the lock has stopped. It does not
// need a context: it tries for up to 5 seconds, and then fails with the error of the store, such as
// [client.ErrUnavailable]; others wait for the rest of the TTL then.
//
// It fails with [ErrLost] if the lock was lost before, so that what was done may have overlapped with what another holder did,
// and with [ErrUnlocked] if it has been called before.
func (h *Held) Unlock() error {
	if h.unlocked.Swap(true) {
		return ErrUnlocked
	}
	there, err := h.member.leave(ErrUnlocked, holderPatience)
	if cause := context.Cause(h.member.alive); errors.Is(cause, ErrLost) {
		return cause
	}
	switch {
	case err != nil:
		return fmt.Errorf("unlock %q: %w", h.member.lock.name, err)
	case !there:
		return errGone
	}
	return nil
}
