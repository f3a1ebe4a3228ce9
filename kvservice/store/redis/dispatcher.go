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
	feedShortest = 5 * time.Millisecond
	feedLongest  = 100 * time.Millisecond
	// feedChanges is how many changes of a shard are read at a time.
	feedChanges = 256
)

// feed follows the changes of all shards while there are watches, and gives each to those that it is for.
//
// Watches of one key have its changes as their shard has them. Watches of prefixes have theirs in the order of all
// shards, which is known up to the place that all shards have passed.
type feed struct {
	engine *Engine
	wake   chan struct{} // has something in it when the feed should look at once
	// Whether tails is not nil, for whoever cannot wait for the lock.
	watched atomic.Bool

	mu     sync.Mutex
	topics topics   // guarded by mu
	tails  []tail   // one for each shard; nil: nobody watches; guarded by mu
	merged position // where watches of prefixes are; guarded by mu
	last   uint64   // the revision of the last change of any shard; guarded by mu
}

func newFeed(e *Engine) *feed {
	return &feed{engine: e, wake: make(chan struct{}, 1), topics: newTopics()}
}

// nudge has the feed look at once, if anybody watches.
func (f *feed) nudge() {
	if !f.watched.Load() {
		return
	}
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// join has w get all changes behind the position that it returns. It tells w the epochs of its shards, or fails with
// [store.ErrResumeTooOld] if w knows others. Shards that do not answer hold up their own watches only.
func (f *feed) join(ctx context.Context, w *watch) (position, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tails == nil {
		f.beginLocked(ctx)
		if err := ctx.Err(); err != nil { // it cannot tell who would have answered
			f.tails = nil
			return position{}, err
		}
	}
	epochs := make([]uint64, len(w.target.shards))
	for i, number := range w.target.shards {
		if epochs[i] = f.tails[number].epoch; epochs[i] == 0 {
			return position{}, store.ErrUnavailable
		}
	}
	if w.epochs != nil && !slices.Equal(w.epochs, epochs) {
		return position{}, store.ErrResumeTooOld
	}
	w.epochs = epochs
	w.inbox.clear()
	f.topics.add(w)
	return f.positionLocked(w), nil
}

// beginLocked finds out where the shards are.
func (f *feed) beginLocked(ctx context.Context) {
	at, _ := f.engine.cut(ctx, f.engine.all()) // what it has of shards that answer is right also if others do not
	f.tails, f.merged = make([]tail, len(f.engine.shards)), at.position
	for i := range f.tails {
		f.tails[i] = tail{epoch: at.epochs[i], upto: at.revision}
	}
	f.watched.Store(true)
	f.nudge()
}

// positionLocked returns up to where w has been given all changes, or must read them itself if it joins now.
func (f *feed) positionLocked(w *watch) position {
	if w.target.one {
		return position{f.tails[w.target.shards[0]].upto, len(f.tails)}
	}
	at := f.merged
	for i := range f.tails { // it may have been ahead of the others when it dropped changes
		at.revision = max(at.revision, f.tails[i].dropped)
	}
	return at
}

// leave ends what join began.
func (f *feed) leave(w *watch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.topics.remove(w)
}

// idle returns up to where w has been given all changes if it has taken all of them, and if there were changes behind
// told.
func (f *feed) idle(w *watch, told position) (position, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tails == nil || !w.inbox.empty() || f.last <= told.revision {
		return position{}, false
	}
	return f.positionLocked(w), true
}

// run follows the shards until the engine is closed.
func (f *feed) run() {
	pause := feedLongest
	for f.sleep(pause) {
		next := time.After(feedShortest)
		changed := f.round(f.engine.ctx)
		pause = min(2*pause, feedLongest)
		if changed {
			pause = feedShortest
		}
		select {
		case <-next:
		case <-f.engine.ctx.Done():
		}
	}
}

// sleep waits for the next round, or while nobody watches. It returns false when the engine is closed.
func (f *feed) sleep(pause time.Duration) bool {
	var timer <-chan time.Time
	if f.questions() != nil {
		timer = time.After(pause)
	}
	select {
	case <-f.engine.ctx.Done():
		return false
	case <-f.wake:
	case <-timer:
	}
	return true
}

// questions returns what to ask the shards, or nil if nobody watches any more.
func (f *feed) questions() []question {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.topics.none() {
		f.tails = nil
		f.watched.Store(false)
		return nil
	}
	questions := make([]question, len(f.tails))
	for i, t := range f.tails {
		questions[i] = question{shard: i, after: t.upto, changes: feedChanges, due: dueKeys}
	}
	return questions
}

// round asks all shards once, and says whether there were changes.
func (f *feed) round(ctx context.Context) bool {
	questions := f.questions()
	if questions == nil {
		return false
	}
	all := f.engine.ask(ctx, questions)
	if f.engine.expire(ctx, all) {
		f.nudge()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tails == nil {
		return false
	}
	changed := false
	for i, p := range all {
		if f.tails[i].upto == questions[i].after {
			f.advanceLocked(i, p)
			changed = changed || len(p.changes) > 0 || len(p.due) > 0
		}
	}
	f.mergeLocked()
	return changed
}
