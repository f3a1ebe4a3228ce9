package memory

import (
	"context"
	"errors"
	"strconv"

	"key-value/kvservice/store"
	"key-value/kvservice/store/memory/tree"
)

var errKind = errors.New("no such kind of operation")

// Do carries out one operation.
func (e *Engine) Do(_ context.Context, op store.Operation) (store.Result, error) {
	if op.Kind == store.Get {
		tag := e.tree.Tag(op.Key)
		return e.answer(e.tree.Get(op.Key, tag), tag)
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

// answer is the result of a get that found an entry, or nil. Tag is the key's.
func (e *Engine) answer(found *tree.Entry, tag uint8) (store.Result, error) {
	if found == nil || found.Deadline != tree.Never && found.Expired(e.clock.now()) {
		e.misses.add(tag)
		return store.Result{}, store.ErrNotFound
	}
	e.hits.add(tag)
	if e.options.OnFull == Evict {
		found.Use(e.lru.tick.Load())
	}
	return store.Result{Entry: e.describe(found, true)}, nil
}

// applyLocked carries out op, and leaves its changes to be committed. If it fails, nothing has changed but
// what time itself has.
func (e *Engine) applyLocked(op store.Operation) (store.Result, error) {
	switch op.Kind {
	case store.Get:
		return e.answer(e.tree.Peek(op.Key), 0)
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
	now := e.clock.now()
	found, err := e.checkedLocked(op, now)
	if err != nil {
		return store.Result{}, err
	}
	put, err := e.putLocked(found, op.Key, op.Value, now, deadline(now, op.TTL))
	return store.Result{Entry: put, Changed: err == nil && found == nil}, err
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
	put, err := e.putLocked(found, op.Key, found.Value(), now, deadline(now, op.TTL))
	return store.Result{Entry: put}, err
}

func (e *Engine) incrementLocked(op store.Operation) (store.Result, error) {
	now := e.clock.now()
	found := e.lookLocked(op.Key, now)
	from, until := op.Initial, deadline(now, op.TTL)
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
	put, err := e.putLocked(found, op.Key, strconv.AppendInt(nil, sum, 10), now, until)
	if err != nil {
		return store.Result{}, err
	}
	return store.Result{Entry: put, Sum: sum}, nil
}

// parseInteger reads an integer as Increment writes it: without a plus sign, zeros before it or spaces.
func parseInteger(text []byte) (int64, bool) {
	n, err := strconv.ParseInt(string(text), 10, 64)
	var buf [20]byte
	return n, err == nil && string(strconv.AppendInt(buf[:0], n, 10)) == string(text)
}
