package redis

import (
	"context"
	"sync"

	"key-value/kvservice/store"
	"key-value/kvservice/store/inbox"
)

// watch is a position in the order of all changes, and a target.
//
// It gets changes from the dispatcher as long as it takes them fast enough. A watch that starts at an earlier
// position, or has fallen behind, reads the changes it lacks from the shards. While it waits for memory, it keeps none.
type watch struct {
	engine  *Engine
	target  store.Target
	shards  []int    // those that may have changes to target
	epochs  []uint64 // of shards; nil: not known yet
	lineage lineage
	room    store.Room // nil: there is always memory for an event
	close   sync.Once

	granted  int      // bytes that room has given for the next event
	at       position // all changes up to here have been delivered or are in the snapshot
	snapshot *snapshot
	unsynced bool     // whether the first event of type Sync is due
	due      position // that event follows all changes up to here
	joined   bool     // whether the dispatcher delivers the changes after until
	until    position
	backlog  *merge[change] // changes up to until, which the dispatcher no longer has; nil: none
	inbox    *inbox.Inbox[change]
}

// Watch opens a watch.
func (e *Engine) Watch(ctx context.Context, req store.WatchRequest) (store.Watcher, error) {
	w := &watch{engine: e, target: req.Target(), room: req.Room, shards: e.all(), inbox: inbox.New[change]()}
	if w.target.Single {
		w.shards = []int{shardOf(w.target.Name, len(e.shards))}
	}
	begin := w.begin
	if req.Resume != "" {
		begin = w.resume
	}
	if err := begin(ctx, req); err != nil {
		w.leave()
		return nil, e.closed(err)
	}
	e.watches.Add(1)
	return w, nil
}

// begin starts at the current position of the shards.
func (w *watch) begin(ctx context.Context, req store.WatchRequest) error {
	now, err := w.engine.cut(ctx, w.shards)
	if err != nil {
		return err
	}
	w.at, w.epochs, w.lineage = now.position, now.epochs, lineageOf(now.epochs)
	w.unsynced, w.due = true, w.at
	if req.Snapshot {
		w.snapshot = newSnapshot(w)
	}
	return nil
}

// resume starts at the position of a token, if the changes after it are still there.
func (w *watch) resume(ctx context.Context, req store.WatchRequest) error {
	lineage, at, err := parseToken(req.Resume, len(w.engine.shards))
	if err != nil {
		return err
	}
	now, err := w.engine.cut(ctx, w.shards)
	switch {
	case err != nil:
		return err
	case lineage != lineageOf(now.epochs):
		return store.ErrResumeTooOld
	case now.before(at):
		return store.ErrTokenInvalid
	}
	w.at, w.epochs, w.lineage = at, now.epochs, lineage
	w.unsynced, w.due = true, now.position
	if err := w.join(ctx); err != nil || w.backlog == nil {
		return err
	}
	_, _, err = w.backlog.peek(ctx)
	return err
}

// Close ends the watch.
func (w *watch) Close() {
	w.close.Do(func() {
		w.leave()
		w.engine.watches.Add(-1)
	})
}

// join makes the dispatcher deliver changes, and sets backlog to those that it will not deliver.
func (w *watch) join(ctx context.Context) error {
	until, err := w.engine.dispatcher.join(ctx, w)
	if err != nil {
		return err
	}
	if until.before(w.due) { // the dispatcher may take until its next round
		until = w.due
	}
	w.joined, w.until, w.backlog = true, until, nil
	if w.at.before(until) {
		w.backlog = w.replay(w.at, until)
	}
	return nil
}

func (w *watch) leave() {
	if w.joined {
		w.engine.dispatcher.leave(w)
		w.joined = false
	}
}

// Next waits for the next event.
func (w *watch) Next(ctx context.Context) (store.Event, error) {
	event, err := w.inbox.Next(ctx, w.engine.ctx, w.poll, w.idle)
	return event, w.engine.closed(err)
}

// idle moves at to where the dispatcher is, and returns a Sync from there, unless there is a change to deliver. It never moves
// back: a watch that has resumed can be ahead of the dispatcher.
func (w *watch) idle() (store.Event, bool) {
	at, ok := w.engine.dispatcher.idle(w)
	if ok && w.at.before(at) {
		w.at = at
	}
	return w.sync(), ok
}

// poll returns the next event, if there is one now.
func (w *watch) poll(ctx context.Context) (store.Event, bool, error) {
	if w.snapshot != nil {
		event, ok, err := w.snapshot.next(ctx)
		if ok || err != nil {
			return event, ok, err
		}
		w.at, w.snapshot = w.snapshot.until, nil
	}
	for {
		if w.unsynced && w.caughtUp() {
			return w.firstSync(), true, nil
		}
		c, ok, err := w.nextChange(ctx)
		if err == nil && !ok && w.unsynced {
			continue
		}
		if !ok || err != nil {
			return store.Event{}, false, err
		}
		if !w.at.before(c.position) || !w.target.Matches(c.key) {
			continue
		}
		if c, ok, err = w.whole(ctx, c); err != nil {
			return store.Event{}, false, err
		} else if ok {
			return w.deliver(c)
		}
	}
}

// caughtUp reports whether all changes up to due have been delivered.
func (w *watch) caughtUp() bool { return !w.at.before(w.due) || w.joined && w.backlog == nil }

// firstSync moves at to due. The dispatcher may deliver changes up to there again that came from the backlog.
func (w *watch) firstSync() store.Event {
	w.unsynced = false
	if w.at.before(w.due) {
		w.at = w.due
	}
	return w.sync()
}

// makeRoom gets memory for the next event, of n bytes, and for what was read ahead with it. If there is none, it drops what
// was read, waits until there is, and returns false: the event is to be read again.
func (w *watch) makeRoom(ctx context.Context, n int) (ok bool, err error) {
	need, ahead := n, n+readAhead
	if w.backlog != nil || w.snapshot != nil {
		need = ahead
	}
	if w.room == nil || need <= w.granted {
		return true, nil
	}
	if w.room.Take(need) {
		w.granted = need
		return true, nil
	}
	w.drop()
	if err := w.room.Wait(ctx, ahead); err != nil { // what is read again may be read ahead
		return false, err
	}
	w.granted = ahead
	return false, nil
}

// drop drops what was read and not delivered.
func (w *watch) drop() {
	w.leave()
	w.backlog = nil
	if w.snapshot != nil {
		w.snapshot.drop()
	}
}

// sync returns an event of type Sync at the current position.
func (w *watch) sync() store.Event {
	revision := w.at.revision
	if !w.target.Single && w.at.shard < len(w.engine.shards) {
		revision-- // a later shard may have a change of the same revision
	}
	return store.Event{Type: store.Sync, Revision: revision, Token: w.lineage.token(w.at)}
}

func (w *watch) deliver(c change) (store.Event, bool, error) {
	event, err := w.engine.event(c)
	w.at = c.position
	event.Token = w.lineage.token(c.position)
	return event, err == nil, err
}

// nextChange returns the next change, or false if there is none now, or none before the first Sync. The change may be to a
// key that is not watched, or have been delivered before.
func (w *watch) nextChange(ctx context.Context) (change, bool, error) {
	for {
		if !w.joined {
			if err := w.join(ctx); err != nil {
				return change{}, false, err
			}
		}
		if w.backlog != nil {
			c, ok, err := w.backlog.next(ctx)
			if ok || err != nil {
				return c, ok, err
			}
			if w.backlog = nil; w.unsynced {
				return change{}, false, nil
			}
		}
		c, ok, missed, err := w.inbox.Take()
		if !missed || ok || err != nil {
			return c, ok, err
		}
		w.leave()
	}
}
