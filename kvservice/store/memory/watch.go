package memory

import (
	"context"
	"strings"
	"sync"
	"time"

	"key-value/kvservice/store"
	"key-value/kvservice/store/memory/tree"
)

// watch is a place in the history, and what to look for from there on. It keeps no changes of its own but
// the one it will deliver next, and that one only so that it knows when there is none.
type watch struct {
	engine     *Engine
	target     target
	watchGroup *watchGroup
	close      sync.Once

	reported uint64      // the revision in the last token, or in the one it resumed from
	cursor   uint64      // the revision up to which target's changes are delivered or found
	snapshot *snapshot   // what is yet to be delivered of what existed at cursor; nil: nothing
	unsynced bool        // whether the event of type Sync is due
	found    *tree.Entry // the next change; nil: none is known
	signal   *signal     // says when there is one, if found is nil; nil: look at the history
}

// Watch opens a watch.
func (e *Engine) Watch(_ context.Context, req store.WatchRequest) (store.Watcher, error) {
	w := &watch{engine: e, target: target{name: req.Prefix}}
	if req.Key != "" {
		w.target = target{name: req.Key, one: true}
	}
	if err := e.open(w, req); err != nil {
		return nil, err
	}
	return w, nil
}

// open finds where w begins.
func (e *Engine) open(w *watch, req store.WatchRequest) error {
	e.lockSwept()
	defer e.mu.Unlock()
	if e.closed {
		return store.ErrClosed
	}
	w.cursor, w.unsynced = e.revision, req.Resume == ""
	if req.Resume != "" {
		from, err := e.positionLocked(req.Resume)
		if err != nil {
			return err
		}
		w.cursor, w.reported = from, from
	} else if req.Snapshot {
		w.snapshot = e.snapshotLocked(w.target)
	}
	w.watchGroup = e.registry.join(w.target)
	e.watches++
	return nil
}

// positionLocked reads a resume token.
func (e *Engine) positionLocked(token string) (uint64, error) {
	v, ok := store.ParseVersion(token)
	switch {
	case !ok || v.Epoch == 0 || v.Epoch == e.epoch && v.Revision > e.revision:
		return 0, store.ErrTokenInvalid
	case v.Epoch != e.epoch || v.Revision+1 < e.history.oldest.Load():
		return 0, store.ErrResumeTooOld
	}
	return v.Revision, nil
}

// Close ends the watch.
func (w *watch) Close() {
	w.close.Do(func() {
		w.engine.mu.Lock()
		defer w.engine.mu.Unlock()
		w.engine.registry.leave(w.target)
		w.engine.watches--
		delete(w.engine.snapshots, w.snapshot)
	})
}

// Next returns the next event, and waits for it if need be.
func (w *watch) Next(ctx context.Context) (store.Event, error) {
	for {
		if err := ctx.Err(); err != nil {
			return store.Event{}, err
		}
		if w.engine.isClosed() {
			return store.Event{}, store.ErrClosed
		}
		if event, ok, err := w.poll(); ok || err != nil {
			return event, err
		}
		if w.wait(ctx) && w.skipAhead() {
			return w.sync(), nil
		}
	}
}

// wait returns when Next should look again, and says whether nothing but time has passed.
func (w *watch) wait(ctx context.Context) (idle bool) {
	timer := time.NewTimer(store.SyncInterval)
	defer timer.Stop()
	select {
	case <-w.signal.ready:
	case <-w.engine.done:
	case <-ctx.Done():
	case <-timer.C:
		return true
	}
	return false
}

// sync returns the event that all before cursor is delivered.
func (w *watch) sync() store.Event {
	w.reported = w.cursor
	return store.Event{Type: store.Sync, Token: w.engine.token(w.cursor)}
}

// skipAhead moves cursor to the end of the history, and says whether that is further than the last token. It does
// not move if there is a change to deliver. No write is under way meanwhile, which might be in the history and
// not yet have set off the signal.
func (w *watch) skipAhead() bool {
	w.engine.mu.Lock()
	defer w.engine.mu.Unlock()
	if w.signal.first.Load() != 0 {
		return false
	}
	w.cursor = w.engine.revision
	return w.cursor != w.reported
}

// poll returns the next event if there is one now.
func (w *watch) poll() (store.Event, bool, error) {
	if w.snapshot != nil {
		if event, ok, err := w.nextOfSnapshot(); ok || err != nil {
			return event, ok, err
		}
	}
	if w.unsynced {
		w.unsynced = false
		return w.sync(), true, nil
	}
	if w.found == nil {
		if err := w.seek(); w.found == nil {
			return store.Event{}, false, err
		}
	}
	return w.deliver(), true, nil
}

// nextOfSnapshot returns the next entry of the snapshot, or false at its end.
func (w *watch) nextOfSnapshot() (store.Event, bool, error) {
	found, err := w.snapshot.next()
	if err != nil {
		return store.Event{}, false, err
	}
	if found == nil {
		w.engine.releaseSnapshot(w.snapshot)
		w.snapshot = nil
		return store.Event{}, false, nil
	}
	return store.Event{Type: store.Put, Entry: w.engine.storeEntry(found, true)}, true, nil
}

// deliver returns the event that was found, and looks for the one behind it at once: a watch that is idle
// from now on is reported so by its signal, however far the history moves on with changes to other keys.
func (w *watch) deliver() store.Event {
	e := w.found
	w.found, w.reported = nil, e.Revision
	_ = w.seek() // fails again when the next event is asked for
	event := store.Event{Type: e.Kind(), Token: w.engine.token(e.Revision), Entry: store.Entry{Key: e.Key()}}
	if e.Kind() == store.Put {
		event.Entry = w.engine.storeEntry(e, true)
	}
	return event
}

// seek looks for the next change behind cursor, and moves cursor there. If there is none, signal says when.
func (w *watch) seek() error {
	if w.signal != nil {
		first := w.signal.first.Load()
		if first == 0 {
			return nil
		}
		w.cursor = max(w.cursor, first-1)
	}
	h := w.engine.history
	w.signal = w.watchGroup.arm()
	for head := h.head.Load(); w.cursor < head; {
		e := h.at(w.cursor + 1)
		if e == nil {
			w.signal = nil
			return store.ErrResumeTooOld
		}
		w.cursor++
		if w.target.holds(e.Key()) {
			w.found, w.signal = e, nil
			return nil
		}
	}
	return nil
}

// target is what a watch follows: one key, or every key with a prefix.
type target struct {
	name string
	one  bool // name is a key, not a prefix
}

// holds says whether key belongs to t.
func (t target) holds(key string) bool {
	if t.one {
		return key == t.name
	}
	return strings.HasPrefix(key, t.name)
}
