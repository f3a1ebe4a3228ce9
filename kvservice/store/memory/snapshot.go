package memory

import (
	"strings"
	"sync/atomic"

	"key-value/kvservice/store"
	"key-value/kvservice/store/memory/tree"
)

// snapshotPage is how many entries of a snapshot are read at a time.
const snapshotPage = 64

// snapshot is the part of a watch's snapshot that the watch has not delivered yet.
type snapshot struct {
	target   store.Target
	revision uint64 // when the snapshot was taken
	lastKey  string // the last key that was on a page

	// rest is nil if the history no longer has all changes since revision: the watch could not continue after such a
	// snapshot, and a reader that has stopped must not keep old entries in memory. Only the reader changes what rest
	// points to.
	rest atomic.Pointer[rest]
}

// rest is what has not been delivered.
type rest struct {
	page []*tree.Entry // the next entries
	view *tree.View    // has the entries after page; nil: there are none
}

// snapshotLocked returns a snapshot of t.
func (e *Engine) snapshotLocked(t store.Target) *snapshot {
	s, r := &snapshot{target: t, revision: e.revision}, &rest{}
	s.rest.Store(r)
	if t.Single {
		if found := e.tree.Peek(t.Name); found != nil {
			r.page = []*tree.Entry{found}
		}
	} else if s.fill(r, e.tree.Latest(), t.Name); len(r.page) == snapshotPage {
		view := e.tree.Freeze()
		r.view = &view
	}
	if len(r.page) > 0 {
		e.snapshots[s] = struct{}{}
	}
	return s
}

// fill reads the next entries, whose keys are at or after from, into the page of r.
func (s *snapshot) fill(r *rest, view tree.View, from string) {
	r.page = make([]*tree.Entry, 0, snapshotPage)
	view.Ascend(from, func(e *tree.Entry) bool {
		if !strings.HasPrefix(e.Key(), s.target.Name) || len(r.page) == snapshotPage {
			return false
		}
		if e.Key() != s.lastKey {
			r.page = append(r.page, e)
		}
		return true
	})
	if len(r.page) > 0 {
		s.lastKey = strings.Clone(r.page[len(r.page)-1].Key()) // the entry's own would keep it in memory
	}
}

// peek returns the next entry, or nil after the last.
func (s *snapshot) peek() (*tree.Entry, error) {
	r := s.rest.Load()
	if r == nil {
		return nil, store.ErrResumeTooOld
	}
	if len(r.page) == 0 && r.view != nil {
		s.fill(r, *r.view, s.lastKey)
	}
	if len(r.page) == 0 {
		return nil, nil
	}
	return r.page[0], nil
}

// remove removes the next entry.
func (s *snapshot) remove() {
	if r := s.rest.Load(); r != nil {
		r.page[0] = nil
		r.page = r.page[1:]
	}
}

// dropSnapshotsLocked releases the entries of snapshots that have become stale.
func (e *Engine) dropSnapshotsLocked() {
	for s := range e.snapshots {
		if s.revision+1 < e.history.oldest.Load() {
			s.rest.Store(nil)
			delete(e.snapshots, s)
		}
	}
}

// releaseSnapshot forgets a snapshot that has been delivered.
func (e *Engine) releaseSnapshot(s *snapshot) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.snapshots, s)
}
