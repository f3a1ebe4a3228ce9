package cache

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"key-value/client"
)

// A watch that the service refuses, such as for want of rights, is tried again after firstPause, then after twice as long each
// time, up to lastPause. One that broke is resumed by package client.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 15 * time.Second
)

// follow keeps the cache up to date until ctx ends. If a watch is refused before there was a snapshot, it sends the error to
// failed and ends.
func (c *Cache) follow(ctx context.Context, failed chan<- error) {
	defer close(c.done)
	pause := firstPause
	for {
		begun := now()
		err := c.watch(ctx)
		tooOld := errors.Is(err, client.ErrResumeTooOld)
		switch {
		case ctx.Err() != nil:
			return
		case !c.hasBegun() && !tooOld:
			failed <- err
			return
		case tooOld, errors.Is(err, client.ErrInvalid): // another store may answer now, to which the token means nothing
			c.forget()
		}
		c.interrupted(err)
		if instant(c.heard.Load()) > begun {
			pause = firstPause
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause/2 + rand.N(pause/2)):
		}
		pause = min(2*pause, lastPause)
	}
}

// hasBegun reports whether there was a snapshot.
func (c *Cache) hasBegun() bool {
	select {
	case <-c.ready:
		return true
	default:
		return false
	}
}

// watch applies the events of one watch, over as many connections as it takes, and returns the error that ended it.
func (c *Cache) watch(ctx context.Context) error {
	options := []client.WatchOption{client.OnCut(c.interrupted), client.ResumeFrom(c.begin())}
	if c.limit == 0 {
		options = append(options, client.FromSnapshot())
	}
	for event, err := range c.store.Watch(ctx, c.prefix, options...) {
		if err != nil {
			return err
		}
		c.apply(event)
	}
	return nil
}

// begin prepares for the events of a new watch, and returns the token from which it resumes.
func (c *Cache) begin() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token == "" {
		c.startOverLocked()
	}
	return c.token
}

// startOverLocked prepares for a snapshot. Until it is complete, readers see what was there before.
func (c *Cache) startOverLocked() { c.next = newTable() }

// forget makes the next watch start from nothing.
func (c *Cache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.token = ""
}

// interrupted records why the watch was cut off.
func (c *Cache) interrupted(err error) {
	c.mu.Lock()
	first := c.err == nil
	c.err = err
	c.cuts++
	c.mu.Unlock()
	if first {
		c.log.Warn("cache cut off from the store; it keeps what it has and tries again", "prefix", c.prefix, "error", err)
	}
}

// apply applies an event.
func (c *Cache) apply(event client.Event) {
	if c.applied(event) {
		c.log.Info("cache receives changes again", "prefix", c.prefix)
	}
}

// applied applies an event, and reports whether it is the first one since the cache was cut off.
func (c *Cache) applied(event client.Event) (again bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard.Store(int64(now()))
	again, c.err = c.err != nil, nil
	switch event.Type {
	case client.EventReset:
		c.startOverLocked()
	case client.EventSync:
		c.syncLocked(event.Revision)
	default:
		c.changeLocked(event)
	}
	if event.ResumeToken != "" {
		c.token = event.ResumeToken
		c.advanceLocked(event.Revision)
	}
	return again
}

// changeLocked applies the change of one key, unless it is known already.
func (c *Cache) changeLocked(event client.Event) {
	t := c.target()
	held := t.find(event.Entry.Key)
	c.demand.saw(event)
	switch {
	case held == nil && c.limit != 0:
		return
	case held != nil && held.revision >= event.Revision:
		return
	}
	switch event.Type {
	case client.EventPut:
		c.putLocked(t, newItem(event.Entry))
	case client.EventTouch:
		if held == nil || held.deadline == absent {
			return
		}
		event.Entry.Value = held.value
		c.putLocked(t, newItem(event.Entry))
	case client.EventDelete, client.EventExpire, client.EventEvict:
		c.removeLocked(t, event.Entry.Key)
	}
}

// target returns the table to which changes belong.
func (c *Cache) target() *table {
	if c.next != nil && c.limit == 0 {
		return c.next
	}
	return c.table.Load()
}

// putLocked stores it in t.
func (c *Cache) putLocked(t *table, it *item) {
	c.storeLocked(t, it)
	c.changedLocked(t, it.key)
}

// storeLocked is putLocked without a word to the callbacks.
func (c *Cache) storeLocked(t *table, it *item) {
	t.put(it)
	if c.limit != 0 {
		c.demand.keep(t, it, c.limit)
	}
	c.scheduleLocked()
}

// removeLocked removes key from t.
func (c *Cache) removeLocked(t *table, key string) {
	held := t.find(key)
	if held == nil {
		return
	}
	visible := held.visible()
	t.remove(key)
	c.demand.drop(key)
	if visible {
		c.changedLocked(t, key)
	}
}

// changedLocked tells the callbacks that key has changed, if readers of t see it.
func (c *Cache) changedLocked(t *table, key string) {
	if t == c.table.Load() {
		c.tellLocked(key)
	}
}

// syncLocked makes a snapshot visible, if one ends here. All changes up to revision are in it.
func (c *Cache) syncLocked(revision uint64) {
	if c.next == nil {
		return
	}
	before, after := c.table.Load(), c.next
	c.next = nil
	c.carryLocked(after, revision)
	c.demand.reset()
	c.table.Store(after)
	c.position.Store(revision)
	c.differLocked(before, after)
	c.scheduleLocked()
	if !c.hasBegun() {
		close(c.ready)
	}
}
