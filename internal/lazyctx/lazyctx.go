// Package lazyctx has contexts for calls that are usually over before anything waits for them. Until then such a context
// is one allocation, without a timer, a channel, or an entry in its parent; those of package context are four and more. A
// [Waiter] waits without making them more than that, if the wait is short.
package lazyctx

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Context is a context that becomes one of package context when Done is first called. Make it with WithTimeout, or embed it
// and call Init or InitTimeout.
type Context struct {
	parent   context.Context
	deadline time.Time // zero: none
	made     atomic.Pointer[made]

	mu       sync.Mutex
	canceled bool // guarded by mu
}

// made is the context that a Context has become.
type made struct {
	context.Context
	cancel context.CancelFunc
}

// Init makes c a context that is done when parent is, or when Cancel is called.
func (c *Context) Init(parent context.Context) { c.parent = parent }

// WithTimeout returns a context that is done when parent is, when Cancel is called, or after timeout.
func WithTimeout(parent context.Context, timeout time.Duration) *Context {
	c := &Context{}
	c.InitTimeout(parent, timeout)
	return c
}

// InitTimeout makes c a context as WithTimeout returns it.
func (c *Context) InitTimeout(parent context.Context, timeout time.Duration) {
	c.parent, c.deadline = parent, time.Now().Add(timeout)
	if earlier, ok := parent.Deadline(); ok && earlier.Before(c.deadline) {
		c.deadline = earlier
	}
}

// Cancel ends the context. It must be called once the context is no longer used, as a [context.CancelFunc] must.
func (c *Context) Cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.canceled = true
	if made := c.made.Load(); made != nil {
		made.cancel()
	}
}

// Deadline implements [context.Context].
func (c *Context) Deadline() (time.Time, bool) {
	if c.deadline.IsZero() {
		return c.parent.Deadline()
	}
	return c.deadline, true
}

// Done implements [context.Context].
func (c *Context) Done() <-chan struct{} { return c.make().Done() }

// make returns the context that c has become.
func (c *Context) make() context.Context {
	if made := c.made.Load(); made != nil {
		return made
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if made := c.made.Load(); made != nil {
		return made
	}
	m := &made{}
	if c.deadline.IsZero() {
		m.Context, m.cancel = context.WithCancel(c.parent)
	} else {
		m.Context, m.cancel = context.WithDeadline(c.parent, c.deadline)
	}
	if c.canceled {
		m.cancel()
	}
	c.made.Store(m)
	return m
}

// Err implements [context.Context].
func (c *Context) Err() error {
	if made := c.made.Load(); made != nil {
		return made.Err()
	}
	if c.over() {
		return c.make().Err() // so that Cause and Done agree with it
	}
	return nil
}

// over reports whether a context that nobody waits for has ended.
func (c *Context) over() bool {
	if c.parent.Err() != nil || !c.deadline.IsZero() && !time.Now().Before(c.deadline) {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.canceled
}

// Value implements [context.Context].
func (c *Context) Value(key any) any {
	if made := c.made.Load(); made != nil {
		return made.Value(key) // package context finds its own context by this
	}
	return c.parent.Value(key)
}
