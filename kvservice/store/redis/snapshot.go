package redis

import (
	"context"

	"key-value/kvservice/store"
)

// snapshotEntries is how many entries of a snapshot are read at a time.
const snapshotEntries = 256

// snapshot delivers what exists, and then what changed while that was read. What it has read and not delivered, it can drop
// and read again.
//
// A listing of several shards is not consistent. So the changes between the start and the end of the snapshot follow
// the entries, except those that the entries already include.
type snapshot struct {
	watch     *watch
	last      string            // the key of the last entry delivered
	entries   *pager            // reads those after it; nil: they are not being read
	delivered map[string]uint64 // :: key → revision, of entries that changed before they were read
	ended     bool              // whether all entries have been delivered
	at        position          // then, all changes up to here have been delivered
	until     position          // and those up to here belong to the snapshot
	changes   *merge[change]    // reads those in between; nil: they are not being read
}

func newSnapshot(w *watch) *snapshot {
	return &snapshot{watch: w, delivered: map[string]uint64{}}
}

// drop drops what has been read and not delivered.
func (s *snapshot) drop() { s.entries, s.changes = nil, nil }

// next returns the next event, or false at the end.
func (s *snapshot) next(ctx context.Context) (store.Event, bool, error) {
	if !s.ended {
		if event, ok, err := s.nextEntry(ctx); ok || err != nil {
			return event, ok, err
		}
		if err := s.end(ctx); err != nil {
			return store.Event{}, false, err
		}
	}
	return s.nextChange(ctx)
}

func (s *snapshot) nextEntry(ctx context.Context) (store.Event, bool, error) {
	w := s.watch
	for {
		if s.entries == nil {
			s.entries = s.rest()
		}
		e, ok, err := s.entries.next(ctx)
		if !ok || err != nil {
			return store.Event{}, false, err
		}
		if ok, err := w.makeRoom(ctx, len(e.Key)+len(e.Value)); err != nil {
			return store.Event{}, false, err
		} else if !ok {
			continue
		}
		w.granted, s.last = 0, e.Key
		if e.Version.Revision > w.at.revision {
			s.delivered[e.Key] = e.Version.Revision
		}
		return store.Event{Type: store.Put, Revision: e.Version.Revision, Entry: e}, true, nil
	}
}

// rest returns a listing of the entries that have not been delivered.
func (s *snapshot) rest() *pager {
	w := s.watch
	if !w.target.Single {
		return w.engine.pager(store.ListRequest{Prefix: w.target.Name, After: s.last, Limit: snapshotEntries}, readAhead)
	}
	p := &pager{engine: w.engine, keys: newMerge[string](nil, nil, nil)}
	if s.last == "" {
		p.rest = []string{w.target.Name}
	}
	return p
}

func (s *snapshot) nextChange(ctx context.Context) (store.Event, bool, error) {
	w := s.watch
	for {
		if s.changes == nil {
			s.changes = w.replay(s.at, s.until)
		}
		c, ok, err := s.changes.next(ctx)
		if !ok || err != nil {
			return store.Event{}, false, err
		}
		if !s.at.before(c.position) || !w.target.Matches(c.key) || c.revision <= s.delivered[c.key] {
			continue
		}
		if c, ok, err = w.whole(ctx, c); err != nil {
			return store.Event{}, false, err
		} else if ok {
			s.at = c.position
			event, err := w.engine.event(c)
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
	s.ended, s.at, s.until, s.entries = true, w.at, now.position, nil
	return nil
}
