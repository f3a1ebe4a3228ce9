package memory

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"key-value/kvservice/store"
	"key-value/kvservice/store/clock"
	"key-value/kvservice/store/memory/tree"
)

var errKind = errors.New("unknown kind of operation")

// Do performs one operation.
func (e *Engine) Do(ctx context.Context, op store.Operation) (store.Result, error) {
	if e.log == nil && op.Kind == store.Get {
		return e.get(op)
	}
	result, seen, err := e.do(ctx, op)
	if e.log != nil {
		if err := e.tell(ctx, seen, err == nil && op.Kind != store.Get); err != nil {
			return store.Result{}, err
		}
	}
	return result, err
}

// do performs one operation. With a log, it also returns the revision that must be told before the result may be.
func (e *Engine) do(ctx context.Context, op store.Operation) (result store.Result, seen uint64, err error) {
	if op.Kind == store.Get {
		result, err = e.get(op)
		return result, e.seenBy(result), err
	}
	if err := e.admit(ctx); err != nil {
		return store.Result{}, 0, err
	}
	e.lock()
	if err := e.readyLocked(op); err != nil {
		e.unlock()
		return store.Result{}, 0, err
	}
	defer func() { seen = e.unlock() }()
	result, err = e.applyLocked(op)
	e.commitLocked()
	return result, 0, err
}

// get reads an entry without a lock.
func (e *Engine) get(op store.Operation) (store.Result, error) {
	tag := e.tree.Tag(op.Key)
	return e.getResult(e.tree.Get(op.Key, tag), tag, op.Uncounted, op.AllowMissing)
}

// applyLocked performs op and leaves its changes to be committed. If it fails, it has changed nothing but what
// expired.
func (e *Engine) applyLocked(op store.Operation) (store.Result, error) {
	switch op.Kind {
	case store.Get:
		return e.getResult(e.tree.Peek(op.Key), 0, true, op.AllowMissing) // countGets counts it if the batch succeeds
	case store.Set:
		return e.setLocked(op)
	case store.Delete:
		return e.deleteLocked(op)
	case store.Touch:
		return e.touchLocked(op)
	case store.Increment:
		return e.incrementLocked(op)
	}
	return store.Result{}, errKind
}

func (e *Engine) setLocked(op store.Operation) (store.Result, error) {
	at := e.clock.Read()
	found, err := e.findCheckedLocked(op, at.Now)
	if err != nil {
		return store.Result{}, err
	}
	until := deadline(at.Now, op.TTL)
	if op.KeepTTL && found != nil {
		until = found.Deadline
	}
	put, err := e.putLocked(found, op.Key, op.Value, at, until)
	return store.Result{Entry: put, Changed: err == nil && found == nil}, err
}

func (e *Engine) deleteLocked(op store.Operation) (store.Result, error) {
	now := e.clock.Now()
	found, err := e.findCheckedLocked(op, now)
	if err != nil || found == nil {
		return store.Result{}, err
	}
	e.removeLocked(found, store.Deleted, now)
	return store.Result{Changed: true, Revision: e.revision}, nil
}

func (e *Engine) touchLocked(op store.Operation) (store.Result, error) {
	at := e.clock.Read()
	found, err := e.findCheckedLocked(op, at.Now)
	if err != nil {
		return store.Result{}, err
	}
	if found == nil {
		return store.Result{}, store.ErrNotFound
	}
	put, err := e.storeLocked(found, op.Key, found.Value(), at, deadline(at.Now, op.TTL))
	if err != nil {
		return store.Result{}, err
	}
	// The change is without the value, so that touching large entries does not push other changes out of the history.
	e.changes = append(e.changes, tree.Pack(tree.Head{
		Kind: store.Touched, Revision: put.Revision, Updated: put.Updated, Deadline: put.Deadline,
	}, op.Key, nil))
	return store.Result{Entry: e.storeEntry(put, at, false)}, nil
}

func (e *Engine) incrementLocked(op store.Operation) (store.Result, error) {
	at := e.clock.Read()
	found := e.findLocked(op.Key, at.Now)
	from, until := op.Initial, deadline(at.Now, op.TTL)
	if found != nil {
		n, ok := parseInteger(found.Value())
		if !ok {
			return store.Result{}, store.ErrNotInteger
		}
		from, until = n, found.Deadline
	}
	sum := from + op.Delta
	if (sum < from) != (op.Delta < 0) {
		return store.Result{}, store.ErrOverflow
	}
	put, err := e.putLocked(found, op.Key, strconv.AppendInt(nil, sum, 10), at, until)
	if err != nil {
		return store.Result{}, err
	}
	return store.Result{Entry: put, Sum: sum}, nil
}

// parseInteger parses an integer in the form that Increment writes: no plus sign, leading zeros or spaces.
func parseInteger(text []byte) (int64, bool) {
	n, err := strconv.ParseInt(string(text), 10, 64)
	var buf [20]byte
	return n, err == nil && string(strconv.AppendInt(buf[:0], n, 10)) == string(text)
}

// findLocked returns the entry of key that a write sees, or nil. It removes an entry that has expired.
func (e *Engine) findLocked(key string, now int64) *tree.Entry {
	found := e.tree.Peek(key)
	if found == nil || !found.Expired(now) {
		return found
	}
	e.expirations++
	e.removeLocked(found, store.Expired, now)
	return nil
}

// findCheckedLocked is findLocked, and checks the operation's precondition.
func (e *Engine) findCheckedLocked(op store.Operation, now int64) (*tree.Entry, error) {
	found := e.findLocked(op.Key, now)
	if found == nil {
		return nil, op.Precondition.Check(false, store.Version{})
	}
	return found, op.Precondition.Check(true, e.version(found.Revision))
}

// putLocked stores a new version of key that replaces found, which is nil if the key is new, and records the change.
func (e *Engine) putLocked(found *tree.Entry, key string, value []byte, at clock.Reading, until int64) (store.Entry, error) {
	put, err := e.storeLocked(found, key, value, at, until)
	if err != nil {
		return store.Entry{}, err
	}
	e.changes = append(e.changes, put)
	return e.storeEntry(put, at, false), nil
}

// storeLocked is putLocked, except that it leaves the change to be recorded by the caller.
func (e *Engine) storeLocked(found *tree.Entry, key string, value []byte, at clock.Reading, until int64) (*tree.Entry, error) {
	if err := e.reserveLocked(found, key, len(value), at.Now); err != nil {
		return nil, err
	}
	e.nextRevisionLocked()
	put := tree.Pack(tree.Head{
		Kind: store.Put, Revision: e.revision, Updated: at.Now, Deadline: until, Stamp: e.lru.tick.Load(),
	}, key, value)
	e.tree.Put(put)
	e.lru.wrote(e.tree.Len())
	return put, nil
}

// nextRevisionLocked moves on to the next revision.
func (e *Engine) nextRevisionLocked() { e.revision = max(e.revision+1, e.epoch.First) }

// removeLocked removes found and records kind as the reason.
func (e *Engine) removeLocked(found *tree.Entry, kind store.EventType, now int64) {
	e.tree.Remove(found.Key())
	e.recordLocked(kind, found.Key(), now)
}

// recordLocked records the removal of key, with the next revision.
func (e *Engine) recordLocked(kind store.EventType, key string, now int64) {
	e.nextRevisionLocked()
	gone := tree.Pack(tree.Head{Kind: kind, Revision: e.revision, Updated: now, Deadline: tree.Never}, key, nil)
	e.changes = append(e.changes, gone)
}

// commitLocked appends the recorded changes to the log and the history, and makes them visible together.
func (e *Engine) commitLocked() {
	if len(e.changes) == 0 {
		return
	}
	if e.log != nil {
		e.appendLocked()
	}
	for _, change := range e.changes {
		e.history.append(change)
	}
	e.history.publish()
	for _, change := range e.changes {
		e.fired = e.registry.fire(e.fired, change.Key(), change.Revision)
		e.scheduleSweepLocked(change.Deadline)
	}
	if e.history.bytes > e.history.old {
		e.scheduleSweepLocked(e.changes[0].Updated + oldAge)
	}
	e.forgetLocked()
	e.dropSnapshotsLocked()
	if len(e.fired) > 0 {
		e.waker.wake(e.fired)
		clear(e.fired)
		e.fired = e.fired[:0]
	}
}

// forgetLocked clears the recorded changes.
func (e *Engine) forgetLocked() {
	clear(e.changes)
	e.changes = e.changes[:0]
}

// Batch performs operations in order.
func (e *Engine) Batch(ctx context.Context, ops []store.Operation, atomic bool) ([]store.Result, error) {
	perform := e.batch
	if atomic {
		perform = e.batchAtomic
	}
	results, seen, err := perform(ctx, ops)
	if e.log != nil {
		if err := e.tell(ctx, seen, err == nil && !readOnly(ops)); err != nil {
			return nil, err
		}
	}
	return results, err
}

// readOnly reports whether ops change nothing.
func readOnly(ops []store.Operation) bool {
	return !slices.ContainsFunc(ops, func(op store.Operation) bool { return op.Kind != store.Get })
}

// batch performs each operation by itself. It also returns the revision that must be told before the results may be.
func (e *Engine) batch(ctx context.Context, ops []store.Operation) (results []store.Result, seen uint64, err error) {
	results = make([]store.Result, len(ops))
	for i, op := range ops {
		result, saw, err := e.do(ctx, op)
		result.Err = err
		results[i], seen = result, max(seen, saw)
	}
	return results, seen, nil
}

// batchAtomic is batch, except that it performs all operations or none.
func (e *Engine) batchAtomic(ctx context.Context, ops []store.Operation) (results []store.Result, seen uint64, err error) {
	if !readOnly(ops) {
		if err := e.admit(ctx); err != nil {
			return nil, 0, err
		}
	}
	e.lock()
	if err := e.readyLocked(ops...); err != nil {
		e.unlock()
		return nil, 0, err
	}
	defer func() { seen = e.unlock() }()
	draft, before := e.tree.Begin(), e.revertible
	results = make([]store.Result, len(ops))
	for i, op := range ops {
		result, err := e.applyLocked(op)
		if err != nil {
			e.tree.Rollback(draft)
			e.revertible = before
			e.forgetLocked()
			return nil, 0, &store.BatchError{Index: i, Err: err}
		}
		results[i] = result
	}
	e.tree.Commit(draft)
	e.commitLocked()
	e.countGets(ops, results)
	return results, 0, nil
}

// countGets counts the gets of an atomic batch that succeeded.
func (e *Engine) countGets(ops []store.Operation, results []store.Result) {
	for i, op := range ops {
		switch {
		case op.Kind != store.Get || op.Uncounted:
		case results[i].Entry.Key == "":
			e.misses.add(e.tree.Tag(op.Key))
		default:
			e.hits.add(e.tree.Tag(op.Key))
		}
	}
}
