package lock

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"key-value/client"
)

// member is a caller with a place in the queue, which it renews.
type member struct {
	lock   *Lock
	key    string
	ticket uint64

	alive    context.Context // ends when the place may be gone, with the reason as its cause
	end      context.CancelCauseFunc
	check    chan struct{}         // asks for a renewal at once
	failure  atomic.Pointer[error] // of the latest renewal; nil if it succeeded
	numbered bool                  // the entry has its ticket; only keep uses it
	running  sync.WaitGroup
}

// How long it is tried to remove an entry, which otherwise expires.
const (
	holderPatience = 5 * time.Second
	waiterPatience = time.Second
)

// safe is how long after a renewal was sent the place is certainly there.
func (l *Lock) safe() time.Duration { return l.ttl - l.ttl/10 }

// join takes a place at the end of the queue.
func (l *Lock) join(ctx context.Context) (*member, error) {
	m := &member{lock: l, key: l.prefix + rand.Text(), check: make(chan struct{}, 1)}
	sent := time.Now()
	call, cancel := context.WithDeadline(ctx, sent.Add(l.safe()))
	defer cancel()
	entry, _, err := l.kv.Set(call, m.key, packValue(0, l.value), client.TTL(l.ttl), client.IfAbsent())
	if err != nil {
		if errors.Is(err, client.ErrUnavailable) || call.Err() != nil { // it may be there all the same
			_, _ = l.remove(m.key, waiterPatience)
		}
		return nil, err
	}
	m.ticket = entry.Revision
	m.alive, m.end = context.WithCancelCause(context.WithoutCancel(ctx))
	m.running.Go(func() { m.keep(sent) })
	return m, nil
}

// wait waits until no place is before this one. It fails with [ErrLost] if the place may be gone.
func (m *member) wait(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(m.alive, func() { cancel(context.Cause(m.alive)) })()
	for {
		before, err := patiently(ctx, m.predecessor)
		if err == nil && before == "" {
			return nil
		}
		if err == nil {
			err = m.lock.untilGone(ctx, before)
		}
		if lost := context.Cause(ctx); errors.Is(lost, ErrLost) {
			return lost
		}
		if err != nil {
			return err
		}
	}
}

// predecessor returns the key of the place before this one, or "" if this is the first. It fails with [ErrLost] if this
// place is not in the queue.
func (m *member) predecessor(ctx context.Context) (string, error) {
	queue, err := m.lock.queue(ctx)
	if err != nil {
		return "", err
	}
	switch i := slices.IndexFunc(queue, func(p place) bool { return p.key == m.key }); i {
	case -1:
		return "", errGone
	case 0:
		return "", nil
	default:
		return queue[i-1].key, nil
	}
}

// errGone is why a place is lost that the store does not have.
var errGone = fmt.Errorf("%w: the store does not have its entry any more", ErrLost)

// keep renews the place until alive ends, and ends alive when the place may be gone. Its entry was written after sent.
func (m *member) keep(sent time.Time) {
	expiry := time.AfterFunc(time.Until(sent.Add(m.lock.safe())), m.expire)
	defer expiry.Stop()
	next := time.NewTimer(m.lock.ttl / 3)
	defer next.Stop()
	for {
		select {
		case <-m.alive.Done():
			return
		case <-next.C:
		case <-m.check:
		}
		sent := time.Now()
		switch err := m.renew(); {
		case err == nil:
			m.failure.Store(nil)
			expiry.Reset(time.Until(sent.Add(m.lock.safe())))
			next.Reset(m.lock.ttl / 3)
		case errors.Is(err, client.ErrNotFound), errors.Is(err, client.ErrAbsent):
			m.end(errGone)
		default:
			m.failure.Store(&err)
			next.Reset(m.lock.ttl / 20)
		}
	}
}

// renew gives the entry its TTL again, and the first time also its ticket.
func (m *member) renew() (err error) {
	ctx, cancel := context.WithTimeout(m.alive, m.lock.ttl/3)
	defer cancel()
	kv, ttl := m.lock.kv, client.TTL(m.lock.ttl)
	if m.numbered {
		_, err = kv.Touch(ctx, m.key, ttl)
		return err
	}
	_, _, err = kv.Set(ctx, m.key, packValue(m.ticket, m.lock.value), ttl, client.IfExists())
	m.numbered = err == nil
	return err
}

// expire ends alive because the latest renewal that was acknowledged is too long ago.
func (m *member) expire() {
	err := fmt.Errorf("%w: it was not renewed for %v", ErrLost, m.lock.safe())
	if failure := m.failure.Load(); failure != nil {
		err = fmt.Errorf("%w: %w", err, *failure)
	}
	m.end(err)
}

// guard asks for a renewal, which fails, as soon as the entry is gone.
func (m *member) guard() {
	_ = m.lock.untilGone(m.alive, m.key) // if it fails, the next renewal tells
	select {
	case m.check <- struct{}{}:
	default:
	}
}

// leave gives up the place, and reports false if the store did not have it any more. It takes a little longer than patience at
// most.
func (m *member) leave(why error, patience time.Duration) (there bool, err error) {
	m.end(why)
	m.running.Wait()
	return m.lock.remove(m.key, patience)
}

// remove deletes the entry of a place, for which it takes patience at most. It reports false if there was none.
func (l *Lock) remove(key string, patience time.Duration) (there bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return patiently(ctx, func(ctx context.Context) (bool, error) {
		removed, err := l.kv.Delete(ctx, key)
		there = there || removed || err != nil // a call without an answer may have removed it
		return there, err
	})
}
