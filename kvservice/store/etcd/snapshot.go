package etcd

import (
	"context"
	"time"

	"key-value/kvservice/store"
)

// snapshotEntries is how many entries of a snapshot are read at a time.
const snapshotEntries = readAhead / inlineBytes

// snapshot delivers what existed at one revision. What it has read and not delivered, it can drop and read again.
type snapshot struct {
	watch    *watch
	revision int64
	last     string // the key of the last entry delivered
	entries  *pager // reads those after it; nil: they are not being read
}

// next returns the next event, or false at the end.
func (s *snapshot) next(ctx context.Context) (store.Event, bool, error) {
	for {
		if s.entries == nil {
			s.entries = s.rest()
		}
		found, ok, err := s.entries.next(ctx)
		if !ok || err != nil {
			return store.Event{}, false, err
		}
		if ok, err := s.watch.take(ctx, len(found.key)+found.now.size, true); err != nil {
			return store.Event{}, false, err
		} else if !ok {
			continue
		}
		if err := s.entries.fill(ctx, &found.cell); err != nil {
			s.entries = nil // so that it is read again
			return store.Event{}, false, err
		}
		s.last = found.key
		shown := found.now.showWhole(found.key, found.mod, time.Now().UnixNano())
		return store.Event{Type: store.Put, Revision: shown.Version.Revision, Entry: shown}, true, nil
	}
}

// rest returns a listing of the entries that have not been delivered.
func (s *snapshot) rest() *pager {
	w, req := s.watch, store.ListRequest{Prefix: s.watch.target.Name, After: s.last, Limit: snapshotEntries}
	if w.target.Single {
		req.Prefix, req.Start, req.End = "", w.target.Name, w.target.Name+"\x00"
	}
	p := w.engine.pager(req, snapshotEntries)
	p.most, p.revision = snapshotEntries, s.revision
	p.expired = func(key string) { w.omitted[key] = struct{}{} }
	return p
}
