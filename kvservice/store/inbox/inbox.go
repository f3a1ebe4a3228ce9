// Package inbox delivers changes to the watches that they concern, for engines whose changes arrive from another machine.
//
// A [Registry] finds the watches of a key, and each watch has an [Inbox], in which changes wait for its reader.
package inbox

import (
	"context"
	"sync"
	"time"

	"key-value/kvservice/store"
)

// Capacity is how many changes an inbox holds.
const Capacity = 1000

// Inbox holds changes that wait for one watch. It is emptied when they are too many or too old. The watch then reads them
// from where they are kept longer, so one whose reader has stopped keeps none in memory. Create one with [New].
type Inbox[C any] struct {
	ready chan struct{} // has an element after a change

	mu      sync.Mutex
	changes []C   // guarded by mu
	missed  bool  // whether changes were dropped since the last Clear; guarded by mu
	err     error // why no more changes will come; guarded by mu
}

// New returns an empty inbox.
func New[C any]() *Inbox[C] { return &Inbox[C]{ready: make(chan struct{}, 1)} }

// Next waits for the next event of the watch whose inbox this is. Poll returns it, if there is one now, and is called again
// after each change. Idle is called if there was no change for [store.SyncInterval], and may return a Sync. Next fails with
// [store.ErrClosed] when engine ends, which is the context of the engine.
func (b *Inbox[C]) Next(
	ctx, engine context.Context, poll func(context.Context) (store.Event, bool, error), idle func() (store.Event, bool),
) (store.Event, error) {
	for {
		if engine.Err() != nil {
			return store.Event{}, store.ErrClosed
		}
		if err := ctx.Err(); err != nil {
			return store.Event{}, err
		}
		if event, ok, err := poll(ctx); ok || err != nil {
			return event, err
		}
		if !b.wait(ctx, engine) {
			continue
		}
		if event, ok := idle(); ok {
			return event, nil
		}
	}
}

// wait returns when Next should poll again, and reports whether only time has passed.
func (b *Inbox[C]) wait(ctx, engine context.Context) (idle bool) {
	timer := time.NewTimer(store.SyncInterval)
	defer timer.Stop()
	select {
	case <-b.ready:
	case <-engine.Done():
	case <-ctx.Done():
	case <-timer.C:
		return true
	}
	return false
}

// Add adds the next change.
func (b *Inbox[C]) Add(c C) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.missed || b.err != nil {
		return
	}
	if b.changes = append(b.changes, c); len(b.changes) > Capacity {
		b.changes, b.missed = nil, true
	}
	b.signal()
}

// DropIf empties the inbox if its oldest change is too old.
func (b *Inbox[C]) DropIf(old func(C) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.changes) > 0 && old(b.changes[0]) {
		b.changes, b.missed = nil, true
	}
}

// Fail records why no more changes will come.
func (b *Inbox[C]) Fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = err
	}
	b.signal()
}

func (b *Inbox[C]) signal() {
	select {
	case b.ready <- struct{}{}:
	default:
	}
}

// Take returns the oldest change. Its second result is false if there is none; then missed reports whether changes
// were dropped, and err says why no more will come.
func (b *Inbox[C]) Take() (c C, ok, missed bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var none C
	if len(b.changes) == 0 {
		b.changes = nil
		return none, false, b.missed, b.err
	}
	c, b.changes[0], b.changes = b.changes[0], none, b.changes[1:]
	return c, true, false, nil
}

// Clear empties the inbox, which then has missed nothing.
func (b *Inbox[C]) Clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.changes, b.missed = nil, false
}

// Empty reports whether all changes have been taken, and more may come.
func (b *Inbox[C]) Empty() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.changes) == 0 && !b.missed && b.err == nil
}
