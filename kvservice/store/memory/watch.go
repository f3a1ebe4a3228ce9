package memory

import (
	"context"
	"sync"
	"time"

	"key-value/kvservice/store"
	"key-value/kvservice/store/memory/tree"
)

// watch is a position in the history and a target. It stores no changes, so one whose reader has stopped keeps none in
// memory. It knows the revision of the next change to deliver, which it finds in advance to know whether there is one.
type watch struct {
	engine     *Engine
	target     store.Target
	room       store.Room // nil: there is always memory for an event
	watchGroup *watchGroup
	close      sync.Once

	cursor   uint64    // all changes to target up to this revision are delivered or found
	snapshot *snapshot // the rest of the snapshot at cursor; nil: none
	unsynced bool      // whether the first event of type Sync is due
	due      uint64    // that event follows all changes up to this revision
	found    uint64    // the revision of the next change; zero: none known
	signal   *signal   // fires at the next change; nil, or found is set: read the history
}

// Watch opens a watch.
func (e *Engine) Watch(_ context.Context, req store.WatchRequest) (store.Watcher, error) {
	w := &watch{engine: e, target: req.Target(), room: req.Room}
	if err := e.open(w, req); err != nil {
		return nil, err
	}
	return w, nil
}

// open sets the position at which w begins.
func (e *Engine) open(w *watch, req store.WatchRequest) error {
	e.lockSwept()
	defer e.unlock()
	if e.closed {
		return store.ErrClosed
	}
	w.cursor, w.unsynced, w.due = e.revision, true, e.revision
	if req.Resume != "" {
		from, err := e.positionLocked(req.Resume)
		if err != nil {
			return err
		}
		w.cursor = from
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
	case !ok || v.Epoch == 0 || v.Epoch == e.epoch.ID && v.Revision > e.revision:
		return 0, store.ErrTokenInvalid
	case !e.epochs.Has(v.Epoch, v.Revision) || v.Revision+1 < e.history.oldest.Load():
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
		if event, ok, err := w.poll(ctx); ok || err != nil {
			return event, err
		}
		if w.wait(ctx) && w.skipAhead() {
			return w.sync(ctx, w.cursor)
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

// sync returns an event of type Sync at revision, once that may be told.
func (w *watch) sync(ctx context.Context, revision uint64) (store.Event, error) {
	if err := w.tell(ctx, revision); err != nil {
		return store.Event{}, err
	}
	return store.Event{Type: store.Sync, Revision: revision, Token: w.engine.token(revision)}, nil
}

// tell waits until revision may be told.
func (w *watch) tell(ctx context.Context, revision uint64) error {
	if w.engine.log == nil {
		return nil
	}
	return w.engine.tell(ctx, revision, false)
}

// skipAhead moves cursor to the end of the history, unless there is a change to deliver, and reports whether it did. It
// holds the lock because a write in progress may be in the history without having fired the signal yet.
func (w *watch) skipAhead() bool {
	w.engine.mu.Lock()
	defer w.engine.mu.Unlock()
	if w.signal.first.Load() != 0 {
		return false
	}
	w.cursor = w.engine.revision
	return true
}

// poll returns the next event, if there is one now. It waits only for memory, and until the event may be told.
func (w *watch) poll(ctx context.Context) (store.Event, bool, error) {
	if w.snapshot != nil {
		if event, ok, err := w.nextOfSnapshot(ctx); ok || err != nil {
			return event, ok, err
		}
	}
	if caughtUp := w.unsynced && w.cursor == w.due; w.found == 0 && !caughtUp {
		if err := w.seek(); err != nil {
			return store.Event{}, false, err
		}
	}
	switch {
	case w.unsynced && (w.found == 0 || w.found > w.due):
		event, err := w.sync(ctx, w.due)
		w.unsynced = err != nil
		return event, err == nil, err
	case w.found == 0:
		return store.Event{}, false, nil
	}
	return w.deliver(ctx)
}

// nextOfSnapshot returns the next entry of the snapshot, or false at its end.
func (w *watch) nextOfSnapshot(ctx context.Context) (store.Event, bool, error) {
	if err := w.tell(ctx, w.cursor); err != nil {
		return store.Event{}, false, err
	}
	found, err := w.whenRoom(ctx, w.snapshot.peek)
	if err != nil {
		return store.Event{}, false, err
	}
	if found == nil {
		w.engine.releaseSnapshot(w.snapshot)
		w.snapshot = nil
		return store.Event{}, false, nil
	}
	w.snapshot.remove()
	return w.engine.event(found), true, nil
}

// event returns change as an event without a token.
func (e *Engine) event(change *tree.Entry) store.Event {
	event := store.Event{Type: change.Kind(), Revision: change.Revision, Entry: store.Entry{Key: change.Key()}}
	if event.Type == store.Put || event.Type == store.Touched {
		event.Entry = e.storeEntry(change, e.clock.Read(), event.Type == store.Put)
	}
	return event
}

// deliver returns the event of found, and looks for the next change right away: a watch that is idle from now on
// relies on its signal, no matter how many changes to other keys follow.
func (w *watch) deliver(ctx context.Context) (store.Event, bool, error) {
	if err := w.tell(ctx, w.found); err != nil {
		return store.Event{}, false, err
	}
	e, err := w.whenRoom(ctx, w.changeFound)
	if err != nil {
		return store.Event{}, false, err
	}
	w.found = 0
	_ = w.seek() // it fails again at the next call of Next
	event := w.engine.event(e)
	event.Token = w.engine.token(e.Revision)
	return event, true, nil
}

// changeFound returns the change at found.
func (w *watch) changeFound() (*tree.Entry, error) {
	if e := w.engine.history.after(w.found - 1); e != nil {
		return e, nil
	}
	return nil, store.ErrResumeTooOld
}

// whenRoom returns what get returns once there is memory for an event of it. While it waits it keeps nothing of that,
// and afterwards calls get again.
func (w *watch) whenRoom(ctx context.Context, get func() (*tree.Entry, error)) (*tree.Entry, error) {
	e, err := get()
	if w.room == nil || e == nil || err != nil || e.Kind() != store.Put {
		return e, err
	}
	size := len(e.Key()) + len(e.Value())
	if err := w.room.Wait(ctx, size); err != nil {
		return nil, err
	}
	return get()
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
		e := h.after(w.cursor)
		if e == nil {
			w.signal = nil
			return store.ErrResumeTooOld
		}
		w.cursor = e.Revision
		if w.target.Matches(e.Key()) {
			w.found, w.signal = w.cursor, nil
			return nil
		}
	}
	return nil
}
