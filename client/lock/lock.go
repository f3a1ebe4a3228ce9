package lock

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"key-value/client"
)

// Errors of this package. Compare with errors.Is. The errors of package client are returned as well, such as
// [client.ErrPermissionDenied] and [client.ErrUnavailable].
var (
	// ErrHeld means that another caller holds the lock, or is waiting for it.
	ErrHeld = errors.New("the lock is held")
	// ErrLost means that the lock may have passed to another caller before it was unlocked.
	ErrLost = errors.New("the lock was lost")
	// ErrUnlocked means that the lock has been unlocked already.
	ErrUnlocked = errors.New("the lock is unlocked")
)

const (
	defaultPrefix = "locks/"
	defaultTTL    = 15 * time.Second
	minTTL        = time.Second
	maxNameBytes  = 512
)

// Lock is a lock, which all programs that use the same name share. Create it with [New]. It may be used concurrently: each
// call of [Lock.Lock] is a caller of its own.
type Lock struct {
	kv     *client.Client
	name   string
	prefix string // of the keys of its queue
	ttl    time.Duration
	wait   time.Duration // 0: without a limit
	value  string
}

// Option configures a [Lock].
type Option func(*Lock)

// TTL is how long a holder that has died keeps others waiting: at least a second, and 15 seconds by default. It is also
// how long a holder may be cut off from the store until it loses the lock. The lock is renewed three times in that time.
// Use the same TTL in all programs.
func TTL(ttl time.Duration) Option { return func(l *Lock) { l.ttl = ttl } }

// Wait limits how long [Lock.Lock] waits. Then it fails with [ErrHeld]. Zero, the default, means without a limit. Unlike a
// deadline of its context, it does not also limit how long the lock is held.
func Wait(most time.Duration) Option { return func(l *Lock) { l.wait = most } }

// Prefix is what the keys of the lock begin with, such as for an API key that has rights below a prefix only. The default
// is "locks/". All programs must use the same one.
func Prefix(prefix string) Option { return func(l *Lock) { l.prefix = prefix } }

// Value is what [Lock.Holder] tells others about this caller while it holds the lock, such as its address. The default is
// empty.
func Value(value string) Option { return func(l *Lock) { l.value = value } }

// invalidError is the error of a lock with an invalid name or option.
type invalidError string

func (e invalidError) Error() string { return string(e) }

// Unwrap returns the error of package client that it is.
func (invalidError) Unwrap() error { return client.ErrInvalid }

// New returns a lock without calling the store. It fails with [client.ErrInvalid] if the name is empty, longer than 512 bytes
// or has braces, or if the TTL is less than a second.
func New(kv *client.Client, name string, opts ...Option) (*Lock, error) {
	l := &Lock{kv: kv, name: name, prefix: defaultPrefix, ttl: defaultTTL}
	for _, opt := range opts {
		opt(l)
	}
	switch {
	case name == "", len(name) > maxNameBytes, strings.ContainsAny(name, "{}"):
		return nil, invalidError(fmt.Sprintf("invalid lock name %.80q: want 1 to %d bytes without braces", name, maxNameBytes))
	case l.ttl < minTTL:
		return nil, invalidError(fmt.Sprintf("invalid lock TTL %v: want at least %v", l.ttl, minTTL))
	case l.wait < 0:
		return nil, invalidError(fmt.Sprintf("invalid lock wait %v: want 0 or more", l.wait))
	}
	l.prefix += "{" + name + "}/"
	return l, nil
}

// Lock waits until this caller holds the lock. When ctx ends, the wait ends with the error of ctx, and so does
// [Held.Context] later.
//
// It fails at once if the store cannot be reached. Once it waits, it goes on through interruptions and restarts of the
// store. A caller that could not renew its place for the TTL, or whose place the store has lost, goes to the end of the
// queue.
func (l *Lock) Lock(ctx context.Context) (*Held, error) {
	waiting, cancel := ctx, context.CancelFunc(func() {})
	if l.wait != 0 {
		waiting, cancel = context.WithTimeoutCause(ctx, l.wait, ErrHeld)
	}
	defer cancel()
	m, err := l.join(waiting)
	for err == nil {
		if err = m.wait(waiting); err == nil {
			return m.hold(ctx), nil
		}
		_, _ = m.leave(err, waiterPatience)
		if errors.Is(err, ErrLost) {
			m, err = patiently(waiting, l.join)
		}
	}
	if ctx.Err() == nil && errors.Is(context.Cause(waiting), ErrHeld) {
		err = fmt.Errorf("%w: %q was not free for %v", ErrHeld, l.name, l.wait)
	}
	return nil, err
}

// TryLock takes the lock if nobody holds it or waits for it. Otherwise, it fails with [ErrHeld]. It takes the TTL at most,
// also without an answer of the store. ctx is that of [Lock.Lock].
func (l *Lock) TryLock(ctx context.Context) (*Held, error) {
	call, cancel := context.WithTimeout(ctx, l.safe())
	defer cancel()
	queue, err := l.queue(call)
	if err != nil {
		return nil, err
	}
	held := fmt.Errorf("%w: %q", ErrHeld, l.name)
	if len(queue) != 0 {
		return nil, held
	}
	m, err := l.join(call)
	if err != nil {
		return nil, err
	}
	before, err := m.predecessor(call)
	if err == nil && before == "" {
		return m.hold(ctx), nil
	}
	if err == nil {
		err = held // others came at the same time
	}
	_, _ = m.leave(err, waiterPatience)
	return nil, err
}
