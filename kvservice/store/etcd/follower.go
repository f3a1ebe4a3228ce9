package etcd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"key-value/kvservice/store"
	"key-value/kvservice/store/inbox"
)

const (
	// recentBytes bounds the memory of the latest changes, in bytes, of which inboxes hold some.
	recentBytes = 8 << 20
	// followPatience is how long etcd may not deliver changes before watches end.
	followPatience = 10 * time.Second
	// lingerTime is how long changes are followed after the last watch has ended, which often resumes soon.
	lingerTime = 30 * time.Second
)

// follower follows the changes in etcd while there are watches, and delivers each change to the watches it concerns. It keeps
// the latest changes, so that watches resume from there without asking etcd.
type follower struct {
	engine *Engine
	wake   chan struct{} // has an element when there is a watch

	mu       sync.Mutex
	registry inbox.Registry[*watch] // guarded by mu
	running  bool                   // whether changes are delivered to the watches; guarded by mu
	begun    chan struct{}          // closed when running changes or beginning fails; guarded by mu
	failure  error                  // why it is not running; guarded by mu
	idle     time.Time              // when the last watch left; guarded by mu
	oldest   position               // before the first of recent; guarded by mu
	at       position               // all changes up to here have been delivered; guarded by mu
	recent   []change               // the latest changes, oldest first; guarded by mu
	held     int64                  // memory of recent; guarded by mu
	read     int64                  // bytes of changes that were read; guarded by mu
	nextTrim int64                  // how many are read when inboxes are trimmed next; guarded by mu
}

func newFollower(e *Engine) *follower {
	return &follower{engine: e, wake: make(chan struct{}, 1), registry: inbox.NewRegistry[*watch](), begun: make(chan struct{})}
}

// join delivers all changes after the returned position to w. Those after w.at and up to there, w has to read itself.
func (f *follower) join(ctx context.Context, w *watch) (position, error) {
	for {
		f.mu.Lock()
		if f.running {
			defer f.mu.Unlock()
			w.inbox.Clear()
			f.registry.Add(w.target, w)
			return f.catchUpLocked(w), nil
		}
		begun := f.begun
		f.mu.Unlock()
		select {
		case f.wake <- struct{}{}:
		default:
		}
		select {
		case <-begun:
		case <-ctx.Done():
			return position{}, ctx.Err()
		case <-f.engine.ctx.Done():
			return position{}, store.ErrClosed
		}
		f.mu.Lock()
		failure := f.failure
		f.mu.Unlock()
		if failure != nil {
			return position{}, failure
		}
	}
}

// catchUpLocked gives w the changes that it lacks, if all of them are among the recent ones and fit, and returns the position
// after which the inbox of w has all changes.
func (f *follower) catchUpLocked(w *watch) position {
	lacking, more, ok := f.recallLocked(w)
	if !ok || more {
		return f.at
	}
	for _, c := range lacking {
		w.inbox.Add(c)
	}
	return w.at
}

// recall returns the next changes that w lacks, from memory, and whether there are more. It returns false if they are no
// longer in memory, or those up to w.until are not there yet.
func (f *follower) recall(w *watch) (next []change, more, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.at.before(w.until) {
		return nil, false, false
	}
	return f.recallLocked(w)
}

func (f *follower) recallLocked(w *watch) (next []change, more, ok bool) {
	if !f.running || w.at.before(f.oldest) {
		return nil, false, false
	}
	first, _ := slices.BinarySearchFunc(f.recent, w.at, func(c change, at position) int {
		if at.before(c.position) {
			return 1
		}
		return -1
	})
	bytes := int64(0)
	for _, c := range f.recent[first:] {
		if !w.target.Matches(c.key) {
			continue
		}
		if len(next) == inbox.Capacity || bytes > readAhead {
			return next, true, true
		}
		next, bytes = append(next, c), bytes+c.memory()
	}
	return next, false, true
}

// leave ends the delivery that join began.
func (f *follower) leave(w *watch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.registry.Remove(w.target, w)
	f.idle = time.Now()
	w.inbox.Clear()
}

// upTo returns the position up to which w has all changes, if w has taken all of them from its inbox.
func (f *follower) upTo(w *watch) (position, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.at, f.running && w.inbox.Empty()
}

// verified reports whether the transaction of p is known to be part of the history, without asking etcd.
func (f *follower) verified(p position) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.running || p.before(f.oldest) {
		return false
	}
	if p.run == f.at.run && p.revision == f.at.revision || p == f.oldest {
		return true
	}
	return slices.ContainsFunc(f.recent, func(c change) bool { return c.run == p.run && c.revision == p.revision })
}

// work follows the changes, whenever there are watches, until the engine is closed.
func (f *follower) work() {
	for {
		select {
		case <-f.engine.ctx.Done():
			return
		case <-f.wake:
		}
		f.stop(f.follow())
	}
}

// stop ends the watches, if there are any, with the reason why changes are not followed any more.
func (f *follower) stop(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.registry.Each(func(w *watch) { w.inbox.Fail(err) })
	f.running, f.failure, f.recent, f.held = false, err, nil, 0
	close(f.begun)
	f.begun = make(chan struct{})
}

// follow follows the changes from the latest one on. It returns when there are no watches any more, or with the reason why
// it cannot go on.
func (f *follower) follow() error {
	e := f.engine
	at, revision, err := e.latest(e.ctx)
	if err != nil {
		return err
	}
	f.begin(at)
	var failing time.Time // since when nothing has been received
	for err = f.receive(revision + 1); err != nil; {
		switch {
		case e.ctx.Err() != nil:
			return store.ErrClosed
		case errors.Is(err, store.ErrResumeTooOld), errors.Is(err, errDamaged):
			return err
		}
		f.mu.Lock()
		now := f.at
		f.mu.Unlock()
		if failing.IsZero() || at.before(now) {
			failing = time.Now()
		}
		at = now
		if time.Since(failing) > followPatience {
			return fmt.Errorf("%w: %v", store.ErrUnavailable, err)
		}
		e.cluster.failed()
		e.writer.pause()
		// What was followed so far may have been replaced by a backup: until that is known, nothing is delivered.
		if err = e.verify(e.ctx, at); err == nil {
			err = f.receive(at.revision + 1)
		}
	}
	return nil
}

// begin starts the delivery of changes after a position.
func (f *follower) begin(at position) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running, f.failure, f.oldest, f.at, f.idle = true, nil, at, at, time.Now()
	close(f.begun)
	f.begun = make(chan struct{})
}

// receive delivers changes as long as there are watches and a member delivers them. It returns nil if there are none.
func (f *follower) receive(from int64) error {
	s, _ := f.engine.cluster.use()
	ctx, cancel := context.WithCancel(f.engine.ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	received, err := s.open(ctx, f.engine.names, from)
	if err != nil {
		return err
	}
	var unused sync.WaitGroup
	defer unused.Wait()
	defer cancel()
	idle := false
	unused.Go(func() { // ends the stream when there have been no watches for some time
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(lingerTime):
			}
			if f.unused() {
				idle = true
				cancel()
				return
			}
		}
	})
	for {
		t, err := received.next()
		if err != nil {
			cancel()
			unused.Wait()
			if idle {
				return nil
			}
			return err
		}
		f.deliver(t)
	}
}

// unused reports whether there have been no watches for some time. Then no watch can join until it is followed again.
func (f *follower) unused() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.registry.None() || time.Since(f.idle) < lingerTime {
		return false
	}
	f.running = false
	return true
}

// deliver delivers the changes of a transaction.
func (f *follower) deliver(t transaction) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range t.changes {
		f.read += c.memory()
		f.held += c.memory()
		c.read = f.read
		f.recent = append(f.recent, c)
		add := func(w *watch) { w.inbox.Add(c) }
		f.registry.OfKey(c.key, add)
		f.registry.OfPrefixes(c.key, add)
	}
	f.at = t.end
	f.trimLocked()
}

// trimLocked forgets the oldest changes. Between two times, an eighth of what is kept may be read.
func (f *follower) trimLocked() {
	if f.read < f.nextTrim {
		return
	}
	f.nextTrim = f.read + recentBytes/8
	n := 0
	for n < len(f.recent) && f.held > recentBytes*7/8 {
		f.held -= f.recent[n].memory()
		f.oldest = f.recent[n].position
		n++
	}
	if n == 0 {
		return
	}
	f.recent = slices.Delete(f.recent, 0, n)
	kept := f.read - f.held
	f.registry.Each(func(w *watch) { w.inbox.DropIf(func(c change) bool { return c.read <= kept }) })
}
