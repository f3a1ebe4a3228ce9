package memory

import (
	"context"
	"strings"

	"key-value/kvservice/store"
)

// List returns a page of entries.
func (e *Engine) List(_ context.Context, req store.ListRequest) (store.Page, error) {
	p := pager{engine: e, request: req, now: e.clock.now()}
	e.mu.RLock()
	defer e.mu.RUnlock()
	e.index.ascend(max(req.Prefix, req.After), p.add)
	return p.page, nil
}

// pager fills a page.
type pager struct {
	engine  *Engine
	request store.ListRequest
	now     int64
	bytes   int
	page    store.Page
}

// add takes the next entry. It returns false when it has seen enough: the page is full and there is an
// entry behind it, or there is none.
func (p *pager) add(found *entry) bool {
	key := found.key()
	if !strings.HasPrefix(key, p.request.Prefix) {
		return key < p.request.Prefix
	}
	if key <= p.request.After || found.expired(p.now) {
		return true
	}
	if len(p.page.Entries) == p.request.Limit || p.bytes > p.request.MaxBytes {
		p.page.More = true
		return false
	}
	described := p.engine.describe(found, !p.request.KeysOnly)
	p.bytes += len(described.Key) + len(described.Value)
	p.page.Entries = append(p.page.Entries, described)
	return true
}

// snapshot is what existed at one instant, as far as a watch has not read it yet.
type snapshot struct {
	target target
	since  uint64 // the revision at that instant
	engine *Engine
	index  *index // guarded by the engine's lock; nil: dropped, because the history has moved on
	after  string // the last key that was read
	begun  bool
}

// snapshotLocked returns the present state, as far as it concerns w.
func (e *Engine) snapshotLocked(w *watch) *snapshot {
	s := &snapshot{target: w.target, since: e.revision, engine: e, index: e.index.copy(), after: w.target.name}
	e.snapshots[s] = struct{}{}
	return s
}

// dropSnapshotsLocked frees the snapshots whose changes since are no longer all kept. Their watches could
// not go on behind them anyway, and a reader that has stopped must not hold memory.
func (e *Engine) dropSnapshotsLocked() {
	for s := range e.snapshots {
		if s.since+1 < e.history.oldest.Load() {
			s.index = nil
			delete(e.snapshots, s)
		}
	}
}

func (e *Engine) releaseSnapshot(s *snapshot) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.snapshots, s)
}

// next returns the next entry, or nil behind the last.
func (s *snapshot) next() (*entry, error) {
	s.engine.mu.RLock()
	defer s.engine.mu.RUnlock()
	if s.index == nil {
		return nil, store.ErrResumeTooOld
	}
	var found *entry
	s.index.ascend(s.after, func(e *entry) bool {
		if s.begun && e.key() == s.after {
			return true
		}
		if s.target.holds(e.key()) {
			found = e
		}
		return false
	})
	if found != nil {
		s.begun, s.after = true, found.key()
	}
	return found, nil
}
