package memory

import (
	"context"

	"key-value/kvservice/store"
	"key-value/kvservice/store/memory/tree"
)

// DeleteRange removes entries at one instant.
func (e *Engine) DeleteRange(ctx context.Context, req store.RangeRequest) (store.RangeResult, error) {
	result, seen, err := e.deleteRange(ctx, req)
	if e.log != nil {
		if err := e.tell(ctx, seen, err == nil && !req.DryRun); err != nil {
			return store.RangeResult{}, err
		}
	}
	return result, err
}

// deleteRange is DeleteRange. It also returns the revision that must be told before its result may be.
func (e *Engine) deleteRange(ctx context.Context, req store.RangeRequest) (result store.RangeResult, seen uint64, err error) {
	if !req.DryRun {
		if err := e.admit(ctx); err != nil {
			return store.RangeResult{}, 0, err
		}
	}
	e.lock()
	defer func() { seen = e.unlock() }()
	if e.closed {
		return store.RangeResult{}, 0, store.ErrClosed
	}
	now := e.clock.Now()
	found, more := e.inRangeLocked(req, now)
	result = store.RangeResult{Deleted: len(found), More: more}
	if len(found) > 0 {
		result.Last = found[len(found)-1].Key()
	}
	if req.DryRun {
		return result, 0, nil
	}
	if e.log != nil {
		if err := e.removalRoomLocked(found); err != nil {
			return store.RangeResult{}, 0, err
		}
	}
	draft := e.tree.Begin() // readers see none of the removals before all of them
	for _, entry := range found {
		e.removeLocked(entry, store.Deleted, now)
	}
	e.tree.Commit(draft)
	e.commitLocked()
	return result, 0, nil
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
