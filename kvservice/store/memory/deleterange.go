package memory

import (
	"context"

	"key-value/kvservice/store"
	"key-value/kvservice/store/memory/tree"
)

// DeleteRange removes entries at one instant.
func (e *Engine) DeleteRange(_ context.Context, req store.RangeRequest) (store.RangeResult, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return store.RangeResult{}, store.ErrClosed
	}
	now := e.clock.Now()
	found, more := e.inRangeLocked(req, now)
	result := store.RangeResult{Deleted: len(found), More: more}
	if len(found) > 0 {
		result.Last = found[len(found)-1].Key()
	}
	if req.DryRun {
		return result, nil
	}
	draft := e.tree.Begin() // readers see none of the removals before all of them
	for _, entry := range found {
		e.removeLocked(entry, store.Deleted, now)
	}
	e.tree.Commit(draft)
	e.commitLocked()
	return result, nil
}

// inRangeLocked returns the first entries of a range, and whether there are more.
func (e *Engine) inRangeLocked(req store.RangeRequest, now int64) (found []*tree.Entry, more bool) {
	rest := store.ListRequest{Prefix: req.Prefix, Start: req.Start, End: req.End, After: req.After}.Rest()
	e.tree.Latest().Ascend(rest.Start, func(entry *tree.Entry) bool {
		switch {
		case !rest.Has(entry.Key()):
			return false
		case entry.Expired(now):
			return true
		case len(found) == req.Limit:
			more = true
			return false
		}
		found = append(found, entry)
		return true
	})
	return found, more
}
