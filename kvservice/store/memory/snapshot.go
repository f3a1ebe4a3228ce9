package memory

import (
	"strings"
	"sync/atomic"

	"key-value/kvservice/store"
	"key-value/kvservice/store/memory/tree"
)

// snapshotPage is how many entries of a snapshot are looked up at a time.
const snapshotPage = 64

// snapshot is what existed of a watch's target at one instant, as far as the watch has not read it yet.
type snapshot struct {
	target   target
	revision uint64        // the revision at that instant
	page     []*tree.Entry // what comes next
	lastKey  string        // the last key that was on page

	// view has what comes behind page. It is nil if nothing does, or if the history no longer has all
	// changes since: then the watch could not go on behind the snapshot, and a reader that has stopped must
	// not keep old entries in memory. Stale tells which.
	view  atomic.Pointer[tree.View]
	stale atomic.Bool
}

// snapshotLocked returns what exists of t.
func (e *Engine) snapshotLocked(t target) *snapshot {
	s := &snapshot{target: t, revision: e.revision}
	if t.one {
		if found := e.tree.Peek(t.name); found != nil {
			s.page = []*tree.Entry{found}
		}
		return s
	}
	if s.fill(e.tree.Latest(), t.name); len(s.page) == snapshotPage {
		rest := e.tree.Freeze()
		s.view.Store(&rest)
		e.snapshots[s] = struct{}{}
	}
	return s
}

// fill puts the next entries on page, those from the key from on.
func (s *snapshot) fill(view tree.View, from string) {
	s.page = make([]*tree.Entry, 0, snapshotPage)
	view.Ascend(from, func(e *tree.Entry) bool {
		if !strings.HasPrefix(e.Key(), s.target.name) || len(s.page) == snapshotPage {
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

// next returns the next entry, or nil behind the last.
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

// dropSnapshotsLocked lets go of the snapshots whose changes revision are no longer all kept.
func (e *Engine) dropSnapshotsLocked() {
	for s := range e.snapshots {
		if s.revision+1 < e.history.oldest.Load() {
			s.stale.Store(true)
			s.view.Store(nil)
			delete(e.snapshots, s)
		}
	}
}

// releaseSnapshot lets go of a snapshot that nobody reads any more.
func (e *Engine) releaseSnapshot(s *snapshot) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.snapshots, s)
}
