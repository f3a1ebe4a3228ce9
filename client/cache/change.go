package cache

import (
	"container/heap"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"key-value/client"
)

// OnChange calls f after each change of a key in the cache: with what Get returns for the key then. An expiry is a change at
// the instant of the deadline. Stop ends the calls: none begins after it has returned.
//
// The calls of f come one after the other, from a goroutine of its own, and never hold up the cache, other callbacks or the
// store. Changes that come while f runs wait, and several of one key become one: a slow f misses versions, but never the last
// one, and what waits is bounded by the number of keys. A panic of f is recovered and logged, and the next change is reported.
// With [OnDemand], only changes of keys that are kept are reported.
func (c *Cache) OnChange(f func(key string, entry client.Entry, ok bool)) (stop func()) {
	s := &subscriber{cache: c, call: f, wake: make(chan struct{}, 1), done: make(chan struct{}), waiting: map[string]struct{}{}}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == ErrClosed {
		return func() {}
	}
	c.readers[s] = struct{}{}
	go s.run()
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.readers, s)
		s.stop()
	}
}

// subscriber is a callback with the changes that wait for it.
type subscriber struct {
	cache *Cache
	call  func(key string, entry client.Entry, ok bool)
	wake  chan struct{} // has an element after a change

	mu      sync.Mutex
	stopped bool                // guarded by mu
	order   []string            // keys that have changed, the first one first; guarded by mu
	waiting map[string]struct{} // the keys in order; guarded by mu
	done    chan struct{}       // closed by stop
}

// tellLocked tells the callbacks that key has changed.
func (c *Cache) tellLocked(key string) {
	for s := range c.readers {
		s.add(key)
	}
}

// differLocked tells the callbacks of all keys that differ between two tables.
func (c *Cache) differLocked(before, after *table) {
	if len(c.readers) == 0 {
		return
	}
	for it := range after.all() {
		if old := before.find(it.key); old == nil || old.etag != it.etag {
			c.tellLocked(it.key)
		}
	}
	for it := range before.all() {
		if after.find(it.key) == nil {
			c.tellLocked(it.key)
		}
	}
}

// scheduleLocked sets the timer to the earliest deadline.
func (c *Cache) scheduleLocked() {
	t := c.table.Load()
	if len(t.deadlines) == 0 || t.deadlines[0].deadline == c.due {
		return
	}
	c.due = t.deadlines[0].deadline
	c.timer.Reset(time.Duration(max(0, c.due-now())))
}

// expire tells the callbacks of entries that have expired. It leaves them in the table, where nobody sees them: only the store
// can say that they were not given more time.
func (c *Cache) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.table.Load()
	for len(t.deadlines) > 0 && t.deadlines[0].deadline <= now() {
		c.tellLocked(heap.Pop(t).(*item).key)
	}
	c.due = 0
	c.scheduleLocked()
}

// add makes the callback run for key. It never waits.
func (s *subscriber) add(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.waiting[key]; ok {
		return
	}
	s.waiting[key] = struct{}{}
	s.order = append(s.order, key)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// take returns the key that has waited longest.
func (s *subscriber) take() (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || len(s.order) == 0 {
		return "", false
	}
	key := s.order[0]
	s.order[0], s.order = "", s.order[1:]
	delete(s.waiting, key)
	return key, true
}

func (s *subscriber) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.stopped = true
		close(s.done)
	}
}

// run calls the callback until stop.
func (s *subscriber) run() {
	for {
		for key, ok := s.take(); ok; key, ok = s.take() {
			s.report(key)
		}
		select {
		case <-s.wake:
		case <-s.done:
			return
		}
	}
}

func (s *subscriber) report(key string) {
	defer func() {
		if p := recover(); p != nil {
			s.cache.log.Error("callback of the cache panicked", "key", key, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	entry, ok := s.cache.Get(key)
	s.call(key, entry, ok)
}
