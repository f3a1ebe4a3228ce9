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
	revision uint64        // when the snapshot was taken
	page     []*tree.Entry // the next entries
	lastKey  string        // the last key that was on page

	// view has the entries after page. It is nil if there are none, or if the history no longer has all changes since
	// revision: the watch could not continue after such a snapshot, and a reader that has stopped must not keep old
	// entries in memory. In the latter case stale is true.
	view  atomic.Pointer[tree.View]
	stale atomic.Bool
}

// snapshotLocked returns a snapshot of t.
func (e *Engine) snapshotLocked(t store.Target) *snapshot {
	s := &snapshot{target: t, revision: e.revision}
	if t.Single {
		if found := e.tree.Peek(t.Name); found != nil {
			s.page = []*tree.Entry{found}
		}
		return s
	}
	if s.fill(e.tree.Latest(), t.Name); len(s.page) == snapshotPage {
		rest := e.tree.Freeze()
		s.view.Store(&rest)
		e.snapshots[s] = struct{}{}
	}
	return s
}

// fill reads the next entries, whose keys are at or after from, into page.
func (s *snapshot) fill(view tree.View, from string) {
	s.page = make([]*tree.Entry, 0, snapshotPage)
	view.Ascend(from, func(e *tree.Entry) bool {
		if !strings.HasPrefix(e.Key(), s.target.Name) || len(s.page) == snapshotPage {
			return false
		}
		if e.Key() != s.lastKey {
			s.page = append(s.page, e)
		}
		return true
	})
	if len(s.page) > 0 {
		s.lastKey = s.page[len(s.page)-1].Key()
	}
}

// next returns the next entry, or nil after the last.
func (s *snapshot) next() (*tree.Entry, error) {
	if view := s.view.Load(); view != nil && len(s.page) == 0 {
		s.fill(*view, s.lastKey)
	}
	if s.stale.Load() {
		return nil, store.ErrResumeTooOld
	}
	if len(s.page) == 0 {
		return nil, nil
	}
	found := s.page[0]
	s.page[0] = nil
	s.page = s.page[1:]
	return found, nil
}

// dropSnapshotsLocked releases the views of snapshots that have become stale.
func (e *Engine) dropSnapshotsLocked() {
	for s := range e.snapshots {
		if s.revision+1 < e.history.oldest.Load() {
			s.stale.Store(true)
			s.view.Store(nil)
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
