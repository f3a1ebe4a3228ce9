package memory

import (
	"context"

	"key-value/kvservice/store"
	"key-value/kvservice/store/memory/tree"
)

// lookLocked returns the entry that a write to key finds now, or nil.
func (e *Engine) lookLocked(key string, now int64) *tree.Entry {
	found := e.tree.Peek(key)
	if found == nil || !found.Expired(now) {
		return found
	}
	e.expirations++
	e.removeLocked(found, store.Expired, now)
	return nil
}

// checkedLocked is lookLocked for an operation with a precondition, which it checks.
func (e *Engine) checkedLocked(op store.Operation, now int64) (*tree.Entry, error) {
	found := e.lookLocked(op.Key, now)
	if found == nil {
		return nil, op.Precondition.Check(false, store.Version{})
	}
	v := store.Version{Epoch: e.epoch, Revision: found.Revision}
	return found, op.Precondition.Check(true, v)
}

// putLocked stores a new version of key in place of found, which is nil if there is none.
func (e *Engine) putLocked(found *tree.Entry, key string, value []byte, now, until int64) (store.Entry, error) {
	if err := e.makeRoomLocked(found, key, len(value), now); err != nil {
		return store.Entry{}, err
	}
	e.revision++
	put := tree.Pack(tree.Head{
		Kind: store.Put, Revision: e.revision, Updated: now, Deadline: until, Stamp: e.lru.tick.Load(),
	}, key, value)
	e.tree.Put(put)
	e.changes = append(e.changes, put)
	e.lru.wrote(e.tree.Len())
	return e.describe(put, false), nil
}

// removeLocked removes found for the reason that kind says.
func (e *Engine) removeLocked(found *tree.Entry, kind store.EventType, now int64) {
	e.tree.Remove(found.Key())
	e.recordLocked(kind, found.Key(), now)
}

// recordLocked takes the next revision for the end of key.
func (e *Engine) recordLocked(kind store.EventType, key string, now int64) {
	e.revision++
	gone := tree.Pack(tree.Head{Kind: kind, Revision: e.revision, Updated: now, Deadline: tree.Never}, key, nil)
	e.changes = append(e.changes, gone)
}

// commitLocked makes the recorded changes part of the history, all at once.
func (e *Engine) commitLocked() {
	if len(e.changes) == 0 {
		return
	}
	for _, change := range e.changes {
		e.history.append(change)
	}
	e.history.publish()
	for _, change := range e.changes {
		e.fired = e.topics.fire(e.fired, change.Key(), change.Revision)
		e.setAlarmLocked(change.Deadline)
	}
	e.forgetLocked()
	e.dropSnapshotsLocked()
	if len(e.fired) > 0 {
		e.waker.wake(e.fired)
		clear(e.fired)
		e.fired = e.fired[:0]
	}
}

// forgetLocked empties the recorded changes.
func (e *Engine) forgetLocked() {
	clear(e.changes)
	e.changes = e.changes[:0]
}

// Batch carries out operations in order.
func (e *Engine) Batch(ctx context.Context, ops []store.Operation, atomic bool) ([]store.Result, error) {
	if atomic {
		return e.atomically(ops)
	}
	results := make([]store.Result, len(ops))
	for i, op := range ops {
		result, err := e.Do(ctx, op)
		result.Err = err
		results[i] = result
	}
	return results, nil
}

// atomically carries out all operations or none.
func (e *Engine) atomically(ops []store.Operation) ([]store.Result, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, store.ErrClosed
	}
	draft, before := e.tree.Begin(), e.tally
	results := make([]store.Result, len(ops))
	for i, op := range ops {
		result, err := e.applyLocked(op)
		if err != nil {
			e.tree.Rollback(draft)
			e.tally = before
			e.forgetLocked()
			return nil, &store.BatchError{Index: i, Err: err}
		}
		results[i] = result
	}
	e.tree.Commit(draft)
	e.commitLocked()
	return results, nil
}
