package cache

import (
	"context"
	"fmt"

	"key-value/client"
)

// admission is an item that did not come by the watch.
type admission struct {
	item *item
	cuts int // how often the watch had been interrupted
}

// Fetch returns the entry of key from the cache, and asks the store only if the cache cannot know, which happens with
// [OnDemand]. It then keeps the answer, also that there is no such key. Calls at the same time share requests, as all of a
// [client.Client] do.
//
// It fails with [client.ErrNotFound] if the key does not exist, with [ErrOutsidePrefix], [ErrClosed], or the error of the store.
func (c *Cache) Fetch(ctx context.Context, key string) (client.Entry, error) {
	if err := c.check(key); err != nil {
		return client.Entry{}, err
	}
	if entry, ok := c.Get(key); ok {
		return entry, nil
	}
	if it := c.table.Load().find(key); c.limit == 0 || it != nil && it.deadline == absent {
		return client.Entry{}, notFound(key)
	}
	return c.GetFresh(ctx, key)
}

// GetFresh asks the store for the entry of key, and updates the cache: no later Get or Range returns an older version of the
// key. Other keys are as fresh as before. It works while the watch is cut off, as long as the store answers.
//
// It fails with [client.ErrNotFound] if the key does not exist, with [ErrOutsidePrefix], [ErrClosed], or the error of the store.
func (c *Cache) GetFresh(ctx context.Context, key string) (client.Entry, error) {
	if err := c.check(key); err != nil {
		return client.Entry{}, err
	}
	c.mu.Lock()
	session := c.demand.ask(key)
	c.mu.Unlock()
	it, err := c.ask(ctx, key)
	c.mu.Lock()
	defer c.mu.Unlock()
	complete := c.demand.answered(key, session, it)
	switch {
	case err != nil:
		return client.Entry{}, err
	case c.limit == 0:
		c.admitLocked(it)
	default:
		c.holdLocked(it, complete)
	}
	if entry, ok := it.read(); ok {
		return entry, nil
	}
	return client.Entry{}, notFound(key)
}

// ask reads key from the store.
func (c *Cache) ask(ctx context.Context, key string) (*item, error) {
	entry, err := c.store.Get(ctx, key, client.AllowMissing())
	if err != nil {
		return nil, err
	}
	if entry.ETag != "" {
		return newItem(entry), nil
	}
	// The answer that there is no entry has no revision, so it could be older or newer than what the watch reports. The sync
	// of a watch has one.
	it := absence(key, 0)
	for event, err := range c.store.WatchKey(ctx, key, client.FromSnapshot()) {
		switch {
		case err != nil:
			return nil, err
		case event.Type == client.EventSync && it.deadline == absent:
			return absence(key, event.Revision), nil
		case event.Type == client.EventSync:
			return it, nil
		case event.Type == client.EventPut:
			it = newItem(event.Entry)
		case event.Type == client.EventTouch:
			event.Entry.Value = it.value
			it = newItem(event.Entry)
		default:
			it = absence(key, 0)
		}
	}
	return nil, ctx.Err() // not reached: a watch ends with an error
}

// admitLocked makes it visible before the watch reports it.
func (c *Cache) admitLocked(it *item) {
	t, position := c.table.Load(), c.position.Load()
	held := t.find(it.key)
	switch {
	case held != nil && held.revision >= it.revision:
	case position > it.revision, it.deadline == absent && position == it.revision:
		// The watch has passed it. What is still held then has expired, but the store has yet to report it.
		if it.deadline == absent {
			c.removeLocked(t, it.key)
		}
	default:
		c.ahead[it.key] = admission{it, c.cuts}
		c.putLocked(t, it)
	}
}

// holdLocked keeps it on demand, in place of an older version, or if all changes since will be reported.
func (c *Cache) holdLocked(it *item, complete bool) {
	t := c.table.Load()
	switch held := t.find(it.key); {
	case held != nil && held.revision < it.revision:
		c.putLocked(t, it)
	case held == nil && complete:
		c.storeLocked(t, it)
	}
}

// carryLocked puts what was admitted into a snapshot that has all changes up to revision. One that was admitted before the
// watch was last interrupted is in it, or was lost by the store.
func (c *Cache) carryLocked(snapshot *table, revision uint64) {
	for key, a := range c.ahead {
		held := snapshot.find(key)
		if a.cuts == c.cuts && a.item.revision > revision && (held == nil || held.revision < a.item.revision) {
			snapshot.put(a.item.copy())
		} else {
			delete(c.ahead, key)
		}
	}
}

// passLocked forgets what was admitted and has been reported now.
func (c *Cache) passLocked(position uint64) {
	t := c.table.Load()
	for key, a := range c.ahead {
		if a.item.revision > position {
			continue
		}
		delete(c.ahead, key)
		if held := t.find(key); held != nil && held.deadline == absent {
			t.remove(key)
		}
	}
}

func notFound(key string) error { return fmt.Errorf("key %q: %w", key, client.ErrNotFound) }
