package cache

import "context"

// waiter is a call of WaitRevision.
type waiter struct {
	revision uint64
	reached  chan struct{}
}

// WaitRevision waits until the cache has all changes up to revision, such as the [client.Entry.Revision] that a Set has
// returned, also in another process: a Get afterwards returns that version of the key or a later one. If nothing changes below
// the prefix, a revision of a key outside it is reached within 15 s. In Redis, writes that run at the same time may have the same
// revision, and the cache has reached it when it has one of them.
//
// It fails with the error of ctx, which also says why the cache is cut off, if it is, or with [ErrClosed].
func (c *Cache) WaitRevision(ctx context.Context, revision uint64) error {
	if c.position.Load() >= revision {
		return nil
	}
	w := &waiter{revision, make(chan struct{})}
	c.mu.Lock()
	c.waiters[w] = struct{}{}
	c.wakeLocked()
	c.mu.Unlock()
	select {
	case <-w.reached:
		return nil
	case <-c.done:
		return ErrClosed
	case <-ctx.Done():
		c.mu.Lock()
		delete(c.waiters, w)
		c.mu.Unlock()
		return c.explain(ctx.Err())
	}
}

// Revision returns the revision up to which the cache has all changes. It goes back only if the store has lost changes.
func (c *Cache) Revision() uint64 { return c.position.Load() }

// advanceLocked records that the cache has all changes up to revision.
func (c *Cache) advanceLocked(revision uint64) {
	if revision > c.position.Load() {
		c.position.Store(revision)
	}
	c.passLocked(c.position.Load())
	c.wakeLocked()
}

// wakeLocked ends the waits for revisions that the cache has reached.
func (c *Cache) wakeLocked() {
	for w := range c.waiters {
		if w.revision <= c.position.Load() {
			delete(c.waiters, w)
			close(w.reached)
		}
	}
}
