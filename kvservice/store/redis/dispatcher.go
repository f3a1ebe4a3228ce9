package redis

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"key-value/kvservice/store"
	"key-value/kvservice/store/inbox"
)

const (
	// The dispatcher pauses for shortestPause to longestPause between rounds, less when there was a change recently.
	// A change that this engine makes starts a round at once.
	shortestPause = 5 * time.Millisecond
	longestPause  = 100 * time.Millisecond
	// dispatchChanges is how many changes of a shard are read at a time.
	dispatchChanges = 256
)

// dispatcher follows the changes of all shards while there are watches, and delivers each change to the watches it
// concerns.
//
// Watches of one key get its changes in the order of its shard. Watches of prefixes get theirs in the order of all
// shards, which is known up to the position that all shards have passed.
type dispatcher struct {
	engine *Engine
	wake   chan struct{} // has an element when a round should start at once
	// watched reports whether tails is not nil, without taking the lock.
	watched atomic.Bool

	mu       sync.Mutex
	registry inbox.Registry[*watch] // guarded by mu
	tails    []tail                 // one for each shard; nil: no watches; guarded by mu
	merged   position               // the position up to which watches of prefixes have their changes; guarded by mu
	read     int64                  // bytes of changes that were read; guarded by mu
	nextTrim int64                  // how many are read when inboxes are trimmed next; guarded by mu
}

func newDispatcher(e *Engine) *dispatcher {
	return &dispatcher{engine: e, wake: make(chan struct{}, 1), registry: inbox.NewRegistry[*watch]()}
}

// wakeUp starts a round at once, if there are watches.
func (d *dispatcher) wakeUp() {
	if !d.watched.Load() {
		return
	}
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// join delivers all changes after the returned position to w. It sets the epochs of w's shards, or fails with
// [store.ErrResumeTooOld] if w has different ones. Shards that do not answer affect only their own watches.
func (d *dispatcher) join(ctx context.Context, w *watch) (position, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tails == nil {
		d.beginLocked(ctx)
		if err := ctx.Err(); err != nil { // the missing answers say nothing about the shards
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
	d.registry.Add(w.target, w)
	return d.positionLocked(w), nil
}

// beginLocked determines the positions of the shards.
func (d *dispatcher) beginLocked(ctx context.Context) {
	at, _ := d.engine.cut(ctx, d.engine.all()) // without the shards that do not answer, which are handled later
	d.tails, d.merged = make([]tail, len(d.engine.shards)), at.position
	for i := range d.tails {
		d.tails[i] = tail{epoch: at.epochs[i], upTo: at.revision}
	}
	d.watched.Store(true)
	d.wakeUp()
}

// positionLocked returns the position up to which the dispatcher has delivered the changes of w's shards. A watch
// that joins now has to read the changes up to there itself.
func (d *dispatcher) positionLocked(w *watch) position {
	if w.target.Single {
		return position{d.tails[w.shards[0]].upTo, len(d.tails)}
	}
	at := d.merged
	for i := range d.tails { // a shard may have dropped changes that the merged position has not passed
		at.revision = max(at.revision, d.tails[i].dropped)
	}
	return at
}

// leave ends the delivery that join began.
func (d *dispatcher) leave(w *watch) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.registry.Remove(w.target, w)
	w.inbox.Clear()
}

// idle returns the position up to which w has all changes, if w has taken all of them from its inbox.
func (d *dispatcher) idle(w *watch) (position, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tails == nil || !w.inbox.Empty() {
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

// sleep waits for the next round, or until there are watches. It returns false when the engine is closed.
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

// requests returns the requests of the next round, or nil if there are no watches.
func (d *dispatcher) requests() []pollRequest {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.registry.None() {
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

// round polls all shards once and reports whether there were changes.
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
	d.trimLocked()
	return changed
}
