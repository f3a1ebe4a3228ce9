package redis

import (
	"context"

	"key-value/kvservice/store"
)

// snapshotEntries is how many entries of a snapshot are read at a time.
const snapshotEntries = 256

// snapshot delivers what exists, and then what changed while that was read.
//
// A listing of several shards is not consistent. So the changes between the start and the end of the snapshot follow
// the entries, except those that the entries already include.
type snapshot struct {
	watch     *watch
	entries   func(ctx context.Context) (store.Entry, bool, error) // returns the next entry
	delivered map[string]uint64                                    // :: key → revision, of entries that changed before they were read
	changes   *merge[change]                                       // nil: not all entries have been read
	until     position                                             // the end of the snapshot, once all entries have been read
}

func newSnapshot(w *watch) *snapshot {
	s := &snapshot{watch: w, delivered: map[string]uint64{}}
	if w.target.Single {
		s.entries = w.engine.singleKey(w.target.Name)
	} else {
		s.entries = w.engine.pager(store.ListRequest{Prefix: w.target.Name, Limit: snapshotEntries}).next
	}
	return s
}

// singleKey returns a listing of one key.
func (e *Engine) singleKey(key string) func(ctx context.Context) (store.Entry, bool, error) {
	keys := []string{key}
	return func(ctx context.Context) (store.Entry, bool, error) {
		entries, err := e.readEntries(ctx, keys, false)
		if keys = nil; len(entries) == 0 || err != nil {
			return store.Entry{}, false, err
		}
		return entries[0], true, nil
	}
}

// next returns the next event, or false at the end.
func (s *snapshot) next(ctx context.Context) (store.Event, bool, error) {
	if s.changes == nil {
		e, ok, err := s.entries(ctx)
		if ok && e.Version.Revision > s.watch.at.revision {
			s.delivered[e.Key] = e.Version.Revision
		}
		if ok || err != nil {
			return store.Event{Type: store.Put, Entry: e}, ok, err
		}
		if err := s.end(ctx); err != nil {
			return store.Event{}, false, err
		}
	}
	for {
		c, ok, err := s.changes.next(ctx)
		if !ok || err != nil {
			return store.Event{}, false, err
		}
		if s.watch.at.before(c.position) && s.watch.target.Matches(c.key) && c.revision > s.delivered[c.key] {
			event, err := c.event()
			return event, err == nil, err
		}
	}
}

// end determines the end of the snapshot.
func (s *snapshot) end(ctx context.Context) error {
	w := s.watch
	now, err := w.engine.cut(ctx, w.shards)
	if err != nil {
		return err
	}
	if lineageOf(now.epochs) != w.lineage {
		return store.ErrResumeTooOld
	}
	s.until, s.changes = now.position, w.replay(w.at, now.position)
	return nil
}
