package memory

import (
	"strings"
	"sync/atomic"

	"key-value/kvservice/store"
)

// snapshotPage is how many entries of a snapshot are looked up at a time.
const snapshotPage = 64

// snapshot is what existed of a watch's target at one instant, as far as the watch has not read it yet.
type snapshot struct {
	target target
	since  uint64   // the revision at that instant
	page   []*entry // what comes next
	last   string   // the last key that was on page

	// root has what comes behind page. It is nil if nothing does, or if the history no longer has all
	// changes since: then the watch could not go on behind the snapshot, and a reader that has stopped must
	// not keep old entries in memory. Stale tells which.
	root  atomic.Pointer[branch]
	stale atomic.Bool
}

// snapshotLocked returns what exists of t.
func (e *Engine) snapshotLocked(t target) *snapshot {
	s := &snapshot{target: t, since: e.revision}
	if t.one {
		if found := e.tree.peek(t.name); found != nil {
			s.page = []*entry{found}
		}
		return s
	}
	if s.fill(e.tree.top, t.name); len(s.page) == snapshotPage {
		s.root.Store(e.tree.freeze())
		e.snapshots[s] = struct{}{}
	}
	return s
}

// fill puts the next entries on page, those from the key from on.
func (s *snapshot) fill(root *branch, from string) {
	s.page = make([]*entry, 0, snapshotPage)
	root.ascend(from, func(e *entry) bool {
		if !strings.HasPrefix(e.key(), s.target.name) || len(s.page) == snapshotPage {
			return false
		}
		if e.key() != s.last {
			s.page = append(s.page, e)
		}
		return true
	})
	if len(s.page) > 0 {
		s.last = s.page[len(s.page)-1].key()
	}
}

// next returns the next entry, or nil behind the last.
func (s *snapshot) next() (*entry, error) {
	if root := s.root.Load(); root != nil && len(s.page) == 0 {
		s.fill(root, s.last)
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

// dropSnapshotsLocked lets go of the snapshots whose changes since are no longer all kept.
func (e *Engine) dropSnapshotsLocked() {
	for s := range e.snapshots {
		if s.since+1 < e.history.oldest.Load() {
			s.stale.Store(true)
			s.root.Store(nil)
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
