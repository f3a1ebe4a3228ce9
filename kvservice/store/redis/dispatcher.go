package redis

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"key-value/kvservice/store"
)

const (
	// feedShortest and feedLongest are how long the feed waits before it looks again: the shorter the less time has
	// passed since the last change. A change that this engine makes has it look at once.
	shortestPause = 5 * time.Millisecond
	longestPause  = 100 * time.Millisecond
	// feedChanges is how many changes of a shard are read at a time.
	dispatchChanges = 256
)

// feed follows the changes of all shards while there are watches, and gives each to those that it is for.
//
// Watches of one key have its changes as their shard has them. Watches of prefixes have theirs in the order of all
// shards, which is known up to the place that all shards have passed.
type dispatcher struct {
	engine *Engine
	wake   chan struct{} // has something in it when the feed should look at once
	// Whether tails is not nil, for whoever cannot wait for the lock.
	watched atomic.Bool

	mu       sync.Mutex
	registry registry // guarded by mu
	tails    []tail   // one for each shard; nil: nobody watches; guarded by mu
	merged   position // where watches of prefixes are; guarded by mu
	last     uint64   // the revision of the last change of any shard; guarded by mu
}

func newDispatcher(e *Engine) *dispatcher {
	return &dispatcher{engine: e, wake: make(chan struct{}, 1), registry: newRegistry()}
}

// nudge has the feed look at once, if anybody watches.
func (d *dispatcher) wakeUp() {
	if !d.watched.Load() {
		return
	}
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// join has w get all changes behind the position that it returns. It tells w the epochs of its shards, or fails with
// [store.ErrResumeTooOld] if w knows others. Shards that do not answer hold up their own watches only.
func (d *dispatcher) join(ctx context.Context, w *watch) (position, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tails == nil {
		d.beginLocked(ctx)
		if err := ctx.Err(); err != nil { // it cannot tell who would have answered
			d.tails = nil
			return position{}, err
		}
	}
	epochs := make([]uint64, len(w.shards))
	for i, number := range w.shards {
		if epochs[i] = d.tails[number].epoch; epochs[i] == 0 {
			return position{}, store.ErrUnavailable
		}
	}
	if w.epochs != nil && !slices.Equal(w.epochs, epochs) {
		return position{}, store.ErrResumeTooOld
	}
	w.epochs = epochs
	w.inbox.clear()
	d.registry.add(w)
	return d.positionLocked(w), nil
}

// beginLocked finds out where the shards are.
func (d *dispatcher) beginLocked(ctx context.Context) {
	at, _ := d.engine.cut(ctx, d.engine.all()) // what it has of shards that answer is right also if others do not
	d.tails, d.merged = make([]tail, len(d.engine.shards)), at.position
	for i := range d.tails {
		d.tails[i] = tail{epoch: at.epochs[i], upTo: at.revision}
	}
	d.watched.Store(true)
	d.wakeUp()
}

// positionLocked returns up to where w has been given all changes, or must read them itself if it joins now.
func (d *dispatcher) positionLocked(w *watch) position {
	if w.target.Single {
		return position{d.tails[w.shards[0]].upTo, len(d.tails)}
	}
	at := d.merged
	for i := range d.tails { // it may have been ahead of the others when it dropped changes
		at.revision = max(at.revision, d.tails[i].dropped)
	}
	return at
}

// leave ends what join began.
func (d *dispatcher) leave(w *watch) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.registry.remove(w)
}

// idle returns up to where w has been given all changes if it has taken all of them, and if there were changes behind
// told.
func (d *dispatcher) idle(w *watch, reported position) (position, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tails == nil || !w.inbox.empty() || d.last <= reported.revision {
		return position{}, false
	}
	return d.positionLocked(w), true
}

// run follows the shards until the engine is closed.
func (d *dispatcher) run() {
	pause := longestPause
	for d.sleep(pause) {
		next := time.After(shortestPause)
		changed := d.round(d.engine.ctx)
		pause = min(2*pause, longestPause)
		if changed {
			pause = shortestPause
		}
		select {
		case <-next:
		case <-d.engine.ctx.Done():
		}
	}
}

// sleep waits for the next round, or while nobody watches. It returns false when the engine is closed.
func (d *dispatcher) sleep(pause time.Duration) bool {
	var timer <-chan time.Time
	if d.requests() != nil {
		timer = time.After(pause)
	}
	select {
	case <-d.engine.ctx.Done():
		return false
	case <-d.wake:
	case <-timer:
	}
	return true
}

// questions returns what to ask the shards, or nil if nobody watches any more.
func (d *dispatcher) requests() []pollRequest {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.registry.none() {
		d.tails = nil
		d.watched.Store(false)
		return nil
	}
	requests := make([]pollRequest, len(d.tails))
	for i, t := range d.tails {
		requests[i] = pollRequest{shard: i, after: t.upTo, changes: dispatchChanges, due: dueKeys}
	}
	return requests
}

// round asks all shards once, and says whether there were changes.
func (d *dispatcher) round(ctx context.Context) bool {
	requests := d.requests()
	if requests == nil {
		return false
	}
	all := d.engine.poll(ctx, requests)
	if d.engine.expire(ctx, all) {
		d.wakeUp()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tails == nil {
		return false
	}
	changed := false
	for i, p := range all {
		if d.tails[i].upTo == requests[i].after {
			d.advanceLocked(i, p)
			changed = changed || len(p.changes) > 0 || len(p.due) > 0
		}
	}
	d.mergeLocked()
	return changed
}
