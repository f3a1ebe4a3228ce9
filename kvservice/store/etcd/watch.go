package etcd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"key-value/kvservice/store"
	"key-value/kvservice/store/inbox"
)

// watch is a position in the order of all changes, and a target.
//
// It gets changes from the follower as long as it takes them fast enough. A watch that starts at an earlier position, or has
// fallen behind, reads the changes it lacks from etcd. While it waits for memory, it keeps none.
type watch struct {
	engine *Engine
	target store.Target
	room   store.Room // nil: there is always memory for an event
	close  sync.Once

	granted  int      // bytes that room has given for the next event
	at       position // all changes up to here have been delivered or are in the snapshot
	snapshot *snapshot
	unsynced bool     // whether the first event of type Sync is due
	due      position // that event follows all changes up to here
	joined   bool     // whether the follower delivers the changes after until
	until    position
	backlog  []change // changes after at, which the inbox did not get
	unread   bool     // whether there are more of them, up to until
	inbox    *inbox.Inbox[change]
	// omitted are the keys of entries that had expired when the snapshot was read, and whose expiry is not delivered.
	omitted map[string]struct{}
}

// Watch opens a watch.
func (e *Engine) Watch(ctx context.Context, req store.WatchRequest) (store.Watcher, error) {
	w := &watch{engine: e, target: req.Target(), room: req.Room, inbox: inbox.New[change](), omitted: map[string]struct{}{}}
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

// begin starts at the latest change.
func (w *watch) begin(ctx context.Context, req store.WatchRequest) error {
	at, revision, err := w.engine.latest(ctx)
	if err != nil {
		return err
	}
	w.at, w.unsynced, w.due = at, true, at
	if req.Snapshot {
		w.snapshot = &snapshot{watch: w, revision: revision}
	}
	return w.join(ctx)
}

// resume starts at the position of a token, if the changes after it are still there.
func (w *watch) resume(ctx context.Context, req store.WatchRequest) (err error) {
	if w.at, err = parseToken(req.Resume); err != nil {
		return err
	}
	if !w.engine.follower.verified(w.at) {
		if err := w.engine.verify(ctx, w.at); err != nil {
			return err
		}
	}
	if w.due, _, err = w.engine.latest(ctx); err != nil {
		return err
	}
	w.unsynced = true
	return w.join(ctx)
}

// Close ends the watch.
func (w *watch) Close() {
	w.close.Do(func() {
		w.leave()
		w.engine.watches.Add(-1)
	})
}

// join makes the follower deliver changes, and finds out which ones it will not deliver.
func (w *watch) join(ctx context.Context) error {
	until, err := w.engine.follower.join(ctx, w)
	if err != nil {
		return err
	}
	if at, _ := w.engine.follower.upTo(w); at.before(w.due) {
		until = w.due
	}
	w.joined, w.until, w.backlog = true, until, nil
	w.unread = w.at.before(until)
	return nil
}

func (w *watch) leave() {
	if w.joined {
		w.engine.follower.leave(w)
		w.joined = false
	}
}

// Next waits for the next event.
func (w *watch) Next(ctx context.Context) (store.Event, error) {
	event, err := w.inbox.Next(ctx, w.engine.ctx, w.poll, w.idle)
	return event, w.engine.closed(err)
}

// idle moves at to where the follower is, and returns a Sync from there, unless there is a change to deliver. It never moves
// back: a watch that has resumed can be ahead of the follower.
func (w *watch) idle() (store.Event, bool) {
	at, ok := w.engine.follower.upTo(w)
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
		w.snapshot = nil
	}
	for {
		if w.unsynced && !w.at.before(w.due) {
			return w.firstSync(), true, nil
		}
		c, ok, err := w.nextChange(ctx)
		if err == nil && w.unsynced && (!ok || w.due.before(c.position)) {
			if ok {
				w.backlog = slices.Insert(w.backlog, 0, c)
			}
			return w.firstSync(), true, nil
		}
		if !ok || err != nil {
			return store.Event{}, false, err
		}
		if !w.at.before(c.position) || !w.target.Matches(c.key) {
			continue
		}
		if w.omits(c) {
			w.at = c.position
			continue
		}
		if ok, err = w.makeRoom(ctx, c); err != nil {
			return store.Event{}, false, err
		} else if ok {
			return w.deliver(ctx, c)
		}
	}
}

// firstSync moves at to due. The follower may deliver changes up to there again that came from the backlog.
func (w *watch) firstSync() store.Event {
	w.unsynced = false
	if w.at.before(w.due) {
		w.at = w.due
	}
	return w.sync()
}

// omits reports whether c is the expiry of an entry that the snapshot did not have.
func (w *watch) omits(c change) bool {
	_, omitted := w.omitted[c.key]
	delete(w.omitted, c.key)
	return omitted && c.kind == store.Expired
}

// readAhead is how many bytes of changes a watch reads at a time, or of a snapshot.
const readAhead = 128 << 10

// makeRoom gets memory for the event of c, and for what was read ahead with it. If there is none, it drops what was read,
// waits until there is, and returns false: the change is to be read again.
func (w *watch) makeRoom(ctx context.Context, c change) (bool, error) {
	if c.kind != store.Put {
		return true, nil
	}
	return w.take(ctx, len(c.key)+c.entry.size, w.backlog != nil)
}

// take gets memory for n bytes, and for what was read ahead.
func (w *watch) take(ctx context.Context, n int, ahead bool) (bool, error) {
	need := n
	if ahead {
		need += readAhead
	}
	if w.room == nil || need <= w.granted || w.room.Take(need) {
		w.granted = 0
		return true, nil
	}
	w.drop()
	if err := w.room.Wait(ctx, n+readAhead); err != nil { // what is read again may be read ahead
		return false, err
	}
	w.granted = n + readAhead
	return false, nil
}

// drop drops what was read and not delivered.
func (w *watch) drop() {
	w.leave()
	w.backlog, w.unread = nil, false
	if w.snapshot != nil {
		w.snapshot.entries = nil
	}
}

// sync returns an event of type Sync at the current position.
func (w *watch) sync() store.Event {
	return store.Event{Type: store.Sync, Token: w.at.token(), Revision: revisionOf(w.at.revision, max(0, w.at.done-1))}
}

// deliver returns the event of c.
func (w *watch) deliver(ctx context.Context, c change) (store.Event, bool, error) {
	event := store.Event{Type: c.kind, Revision: revisionOf(c.revision, c.done-1), Entry: store.Entry{Key: c.key}}
	now := time.Now().UnixNano()
	switch c.kind {
	case store.Touched:
		event.Entry = c.entry.show(c.key, c.revision, now)
	case store.Put:
		if c.entry.long && c.entry.value == nil {
			if err := w.readValue(ctx, &c); err != nil {
				w.drop() // so that it is read again
				return store.Event{}, false, err
			}
		}
		event.Entry = c.entry.showWhole(c.key, c.revision, now)
	}
	w.at = c.position
	event.Token = c.position.token()
	return event, true, nil
}

// readValue reads the long value of a change.
func (w *watch) readValue(ctx context.Context, c *change) error {
	answer, err := w.engine.readAt(ctx, &pb.RangeRequest{Key: w.engine.names.value(c.key), Revision: c.revision})
	if err != nil {
		return err
	}
	if len(answer.Kvs) != 1 {
		return errDamaged
	}
	c.entry.value = answer.Kvs[0].Value
	return nil
}

// nextChange returns the next change, or false if there is none now. The change may be to a key that is not watched,
// or have been delivered before.
func (w *watch) nextChange(ctx context.Context) (change, bool, error) {
	for {
		if !w.joined {
			if err := w.join(ctx); err != nil {
				return change{}, false, err
			}
		}
		if len(w.backlog) > 0 {
			c := w.backlog[0]
			w.backlog[0], w.backlog = change{}, w.backlog[1:]
			return c, true, nil
		}
		w.backlog = nil
		if w.unread {
			if err := w.replay(ctx); err != nil {
				return change{}, false, err
			}
			continue
		}
		c, ok, missed, err := w.inbox.Take()
		if !missed || ok || err != nil {
			return c, ok, err
		}
		w.leave()
	}
}

// replay reads the next changes that the inbox did not get: from memory, or from etcd if they are no longer there.
func (w *watch) replay(ctx context.Context) error {
	var recent bool
	if w.backlog, w.unread, recent = w.engine.follower.recall(w); recent {
		return nil
	}
	w.unread = true
	s, _ := w.engine.cluster.use()
	limited, cancel := s.within(ctx, attemptTimeout)
	defer cancel()
	received, err := s.open(limited, w.engine.names, w.at.revision)
	bytes := int64(0)
	for err == nil {
		var t transaction
		if t, err = received.next(); err != nil {
			break
		}
		for _, c := range t.changes {
			if w.at.before(c.position) && w.target.Matches(c.key) {
				w.backlog, bytes = append(w.backlog, c), bytes+c.memory()
			}
		}
		if w.unread = t.end.revision < w.until.revision; !w.unread || bytes > readAhead {
			break
		}
		if len(w.backlog) == 0 {
			w.at = t.end
		}
	}
	if err == nil || errors.Is(err, store.ErrResumeTooOld) || errors.Is(err, errDamaged) || ctx.Err() != nil {
		return cmp.Or(ctx.Err(), err)
	}
	return w.again(ctx, err)
}

// again prepares another attempt to read changes, after one failed with err.
func (w *watch) again(ctx context.Context, err error) error {
	w.backlog, w.unread = nil, true
	w.engine.cluster.failed()
	// What was delivered so far may have been replaced by a backup.
	if verified := w.engine.verify(ctx, w.at); verified != nil {
		return fmt.Errorf("%w, after %v", verified, err)
	}
	return nil
}
