package memory

import (
	"context"
	"sync"
	"time"

	"key-value/kvservice/store"
	"key-value/kvservice/store/memory/tree"
)

// watch is a position in the history and a target. It stores no changes except the next one to deliver, which it
// finds in advance to know whether there is one.
type watch struct {
	engine     *Engine
	target     store.Target
	watchGroup *watchGroup
	close      sync.Once

	reported uint64      // the revision in the last token delivered, or in the token that it resumed from
	cursor   uint64      // all changes to target up to this revision are delivered or found
	snapshot *snapshot   // the rest of the snapshot at cursor; nil: none
	unsynced bool        // whether the first event of type Sync is due
	found    *tree.Entry // the next change; nil: none known
	signal   *signal     // fires at the next change; nil, or found is set: read the history
}

// Watch opens a watch.
func (e *Engine) Watch(_ context.Context, req store.WatchRequest) (store.Watcher, error) {
	w := &watch{engine: e, target: req.Target()}
	if err := e.open(w, req); err != nil {
		return nil, err
	}
	return w, nil
}

// open sets the position at which w begins.
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

// positionLocked returns the revision of a resume token.
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

// Next waits for the next event.
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

// wait returns when Next should poll again, and reports whether only time has passed.
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

// sync returns an event of type Sync at cursor.
func (w *watch) sync() store.Event {
	w.reported = w.cursor
	return store.Event{Type: store.Sync, Token: w.engine.token(w.cursor)}
}

// skipAhead moves cursor to the end of the history, unless there is a change to deliver, and reports whether it is
// after the last token. It holds the lock because a write in progress may be in the history without having fired the
// signal yet.
func (w *watch) skipAhead() bool {
	w.engine.mu.Lock()
	defer w.engine.mu.Unlock()
	if w.signal.first.Load() != 0 {
		return false
	}
	w.cursor = w.engine.revision
	return w.cursor != w.reported
}

// poll returns the next event, if there is one now.
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

// deliver returns the event of found, and looks for the next change right away: a watch that is idle from now on
// relies on its signal, no matter how many changes to other keys follow.
func (w *watch) deliver() store.Event {
	e := w.found
	w.found, w.reported = nil, e.Revision
	_ = w.seek() // it fails again at the next call of Next
	event := store.Event{Type: e.Kind(), Token: w.engine.token(e.Revision), Entry: store.Entry{Key: e.Key()}}
	if e.Kind() == store.Put {
		event.Entry = w.engine.storeEntry(e, true)
	}
	return event
}

// seek finds the next change after cursor and moves cursor there. If there is none, it arms signal.
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
		if w.target.Matches(e.Key()) {
			w.found, w.signal = e, nil
			return nil
		}
	}
	return nil
}
