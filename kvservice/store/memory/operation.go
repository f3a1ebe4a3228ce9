package memory

import (
	"context"
	"errors"
	"strconv"
	"time"

	"key-value/kvservice/store"
)

var errKind = errors.New("no such kind of operation")

// Do carries out one operation.
func (e *Engine) Do(_ context.Context, op store.Operation) (store.Result, error) {
	if op.Kind == store.Get {
		e.mu.RLock()
		found := e.index.get(op.Key)
		e.mu.RUnlock()
		return e.answer(found)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return store.Result{}, store.ErrClosed
	}
	result, err := e.applyLocked(op)
	e.commitLocked()
	return result, err
}

// answer is the result of a get that found an entry, or nil.
func (e *Engine) answer(found *entry) (store.Result, error) {
	if found == nil || found.expired(e.clock.now()) {
		e.misses.Add(1)
		return store.Result{}, store.ErrNotFound
	}
	e.hits.Add(1)
	return store.Result{Entry: e.describe(found, true)}, nil
}

// applyLocked carries out op, and leaves its changes to be committed. If it fails, nothing has changed but
// what time itself has.
func (e *Engine) applyLocked(op store.Operation) (store.Result, error) {
	switch op.Kind {
	case store.Get:
		return e.answer(e.index.get(op.Key))
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

// lookLocked returns the entry that a write to key finds now, or nil.
func (e *Engine) lookLocked(key string, now int64) *entry {
	found := e.index.get(key)
	if found != nil && found.expired(now) {
		e.expireLocked(found, now)
		return nil
	}
	return found
}

// checkedLocked is lookLocked for an operation with a precondition, which it checks.
func (e *Engine) checkedLocked(op store.Operation, now int64) (*entry, error) {
	found := e.lookLocked(op.Key, now)
	if found == nil {
		return nil, op.Precondition.Check(false, store.Version{})
	}
	v := store.Version{Epoch: e.epoch, Revision: found.revision}
	return found, op.Precondition.Check(true, v)
}

func (e *Engine) setLocked(op store.Operation) (store.Result, error) {
	now := e.clock.now()
	found, err := e.checkedLocked(op, now)
	if err != nil {
		return store.Result{}, err
	}
	put, err := e.putLocked(found, op.Key, op.Value, now, deadline(now, op.TTL))
	if err != nil {
		return store.Result{}, err
	}
	return store.Result{Entry: e.describe(put, false), Changed: found == nil}, nil
}

func (e *Engine) deleteLocked(op store.Operation) (store.Result, error) {
	now := e.clock.now()
	found, err := e.checkedLocked(op, now)
	if err != nil || found == nil {
		return store.Result{}, err
	}
	e.removeLocked(found, store.Deleted, now)
	return store.Result{Changed: true}, nil
}

func (e *Engine) touchLocked(op store.Operation) (store.Result, error) {
	now := e.clock.now()
	found, err := e.checkedLocked(op, now)
	if err != nil {
		return store.Result{}, err
	}
	if found == nil {
		return store.Result{}, store.ErrNotFound
	}
	put, err := e.putLocked(found, op.Key, found.value(), now, deadline(now, op.TTL))
	if err != nil {
		return store.Result{}, err
	}
	return store.Result{Entry: e.describe(put, false)}, nil
}

func (e *Engine) incrementLocked(op store.Operation) (store.Result, error) {
	now := e.clock.now()
	found := e.lookLocked(op.Key, now)
	from, until := op.Initial, deadline(now, op.TTL)
	if found != nil {
		n, ok := parseInteger(found.value())
		if !ok {
			return store.Result{}, store.ErrNotInteger
		}
		from, until = n, found.deadline
	}
	sum := from + op.Delta
	if (sum > from) != (op.Delta > 0) && op.Delta != 0 {
		return store.Result{}, store.ErrOverflow
	}
	put, err := e.putLocked(found, op.Key, strconv.AppendInt(nil, sum, 10), now, until)
	if err != nil {
		return store.Result{}, err
	}
	return store.Result{Entry: e.describe(put, false), Sum: sum}, nil
}

// parseInteger reads an integer as Increment writes it: without a plus sign, zeros before it or spaces.
func parseInteger(text []byte) (int64, bool) {
	n, err := strconv.ParseInt(string(text), 10, 64)
	var buf [20]byte
	return n, err == nil && string(strconv.AppendInt(buf[:0], n, 10)) == string(text)
}

// putLocked stores a new version of key in place of found, which is nil if there is none.
func (e *Engine) putLocked(found *entry, key string, value []byte, now, until int64) (*entry, error) {
	if err := e.makeRoomLocked(found, len(key)+len(value), now); err != nil {
		return nil, err
	}
	put := pack(store.Put, e.revision+1, now, until, key, value)
	e.index.put(put)
	e.recordLocked(put)
	return put, nil
}

// removeLocked removes found for the reason that kind says.
func (e *Engine) removeLocked(found *entry, kind store.EventType, now int64) {
	e.index.remove(found)
	e.recordLocked(pack(kind, e.revision+1, now, never, found.key(), nil))
}

// recordLocked takes the next revision for a change.
func (e *Engine) recordLocked(change *entry) {
	e.revision = change.revision
	e.changes = append(e.changes, change)
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
		e.fired = e.topics.fire(e.fired, change.key(), change.revision)
	}
	clear(e.changes)
	e.changes = e.changes[:0]
	e.dropSnapshotsLocked()
	e.setAlarmLocked()
	if len(e.fired) > 0 {
		e.waker.wake(e.fired)
		clear(e.fired)
		e.fired = e.fired[:0]
	}
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
	undo := e.beginLocked()
	results := make([]store.Result, len(ops))
	for i, op := range ops {
		result, err := e.applyLocked(op)
		if err != nil {
			undo()
			return nil, &store.BatchError{Index: i, Err: err}
		}
		results[i] = result
	}
	e.commitLocked()
	return results, nil
}

// beginLocked returns what takes back all changes until they are committed.
func (e *Engine) beginLocked() (undo func()) {
	index, revision, expirations, evictions := e.index.copy(), e.revision, e.expirations, e.evictions
	return func() {
		e.index, e.revision, e.expirations, e.evictions = index, revision, expirations, evictions
		clear(e.changes)
		e.changes = e.changes[:0]
	}
}

// makeRoomLocked sees to it that an entry with so many bytes of key and value fits in place of found.
func (e *Engine) makeRoomLocked(found *entry, payload int, now int64) error {
	limit := e.options.MaxMemory
	if limit == 0 {
		return nil
	}
	need := allocated(headBytes+payload) + perEntry
	if found != nil {
		need -= found.bytes() + perEntry
	}
	if need <= 0 {
		return nil
	}
	for e.index.bytes()+need > limit {
		if !e.expireNextLocked(now) && !e.evictLocked(found, need, now) {
			return store.ErrFull
		}
	}
	return nil
}

// evictLocked removes an entry that is not spared, unless need bytes fit into no engine.
func (e *Engine) evictLocked(spared *entry, need, now int64) bool {
	if e.options.OnFull != Evict || need > e.options.MaxMemory {
		return false
	}
	victim := e.index.stalest(spared)
	if victim == nil {
		return false
	}
	e.evictions++
	e.removeLocked(victim, store.Evicted, now)
	return true
}

// expireLocked removes found, whose TTL has elapsed.
func (e *Engine) expireLocked(found *entry, now int64) {
	e.expirations++
	e.removeLocked(found, store.Expired, now)
}

// expireNextLocked removes one entry whose TTL has elapsed, if there is any.
func (e *Engine) expireNextLocked(now int64) bool {
	next := e.index.nextToExpire()
	if next == nil || !next.expired(now) {
		return false
	}
	e.expireLocked(next, now)
	return true
}

// setAlarmLocked sets the sweeper's alarm to the next deadline, if that is earlier.
func (e *Engine) setAlarmLocked() {
	if next := e.index.nextToExpire(); next != nil && next.deadline < e.alarmAt {
		e.alarmAt = next.deadline
		e.alarm.Reset(time.Duration(next.deadline - e.clock.now()))
	}
}

// sweepStep is how many entries expire at most while the lock is held.
const sweepStep = 64

// lockSwept takes the lock at an instant at which no expired entry is left.
func (e *Engine) lockSwept() {
	for {
		e.mu.Lock()
		now := e.clock.now()
		for range sweepStep {
			if !e.expireNextLocked(now) {
				e.commitLocked()
				return
			}
		}
		e.commitLocked()
		e.mu.Unlock()
	}
}

// sweep removes entries as their TTL elapses, until the engine is closed.
func (e *Engine) sweep() {
	for {
		select {
		case <-e.done:
			e.alarm.Stop()
			return
		case <-e.alarm.C:
		}
		e.lockSwept()
		e.alarmAt = never
		e.setAlarmLocked()
		e.mu.Unlock()
	}
}
