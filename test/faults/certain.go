package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"key-value/kvservice/store"
	"key-value/kvservice/store/storetest"
)

// certainWriter repeats each write until its outcome is known, for keys that no one else writes. It makes every write
// conditional on the version before it, so that at most one attempt takes effect.
type certainWriter struct {
	storetest.Store

	mu      sync.Mutex
	known   map[string]store.Version // the state of each existing key; guarded by mu
	keep    map[string]bool          // keys that must not be deleted again; guarded by mu
	written int                      // guarded by mu
}

func newCertainWriter(s storetest.Store) *certainWriter {
	return &certainWriter{Store: s, known: map[string]store.Version{}, keep: map[string]bool{}}
}

// Do carries out a set or a delete.
func (s *certainWriter) Do(ctx context.Context, op store.Operation) (store.Result, error) {
	op, needless := s.conditional(op)
	if needless {
		return store.Result{}, nil
	}
	for maybe := false; ; pause(ctx, 20*time.Millisecond) {
		result, err := s.Store.Do(ctx, op)
		switch {
		case ctx.Err() != nil:
			return store.Result{}, ctx.Err()
		case err == nil:
			return s.done(op, result)
		case maybe && refused(err):
			return s.find(ctx, op)
		case errors.Is(err, store.ErrUnknownOutcome):
			s.doubt(op)
			maybe = true
		case !errors.Is(err, store.ErrUnavailable) && !errors.Is(err, store.ErrFull):
			return store.Result{}, err
		}
	}
}

// conditional returns op with a precondition, so that it can be repeated. It returns false if the delete of op has no
// effect or is not allowed.
func (s *certainWriter) conditional(op store.Operation) (store.Operation, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	version, exists := s.known[op.Key]
	if op.Kind == store.Delete && (!exists || s.keep[op.Key]) {
		return op, true
	}
	op.Precondition = store.IfAbsent()
	if exists {
		op.Precondition = store.IfVersion(version)
	}
	if op.Kind == store.Set {
		s.written++
		op.Value = fmt.Append(nil, s.written)
	}
	return op, false
}

// doubt records a write that may still take effect. One that creates a key could do so once the key is deleted.
func (s *certainWriter) doubt(op store.Operation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, exists := s.known[op.Key]; !exists {
		s.keep[op.Key] = true
	}
}

func (s *certainWriter) done(op store.Operation, result store.Result) (store.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, op.Key)
	if op.Kind == store.Set {
		s.known[op.Key] = result.Entry.Version
	}
	return result, nil
}

// find returns the result of a write that took effect without an answer.
func (s *certainWriter) find(ctx context.Context, op store.Operation) (store.Result, error) {
	for ; ; pause(ctx, 20*time.Millisecond) {
		result, err := s.Store.Do(ctx, store.Operation{Kind: store.Get, Key: op.Key})
		switch {
		case ctx.Err() != nil:
			return store.Result{}, ctx.Err()
		case unanswered(err):
		case op.Kind == store.Delete && errors.Is(err, store.ErrNotFound):
			return s.done(op, store.Result{Changed: true})
		case op.Kind == store.Set && err == nil && string(result.Entry.Value) == string(op.Value):
			return s.done(op, result)
		default:
			return store.Result{}, fmt.Errorf("a write to %q neither took effect nor can: there is %q in version %v, %w",
				op.Key, result.Entry.Value, result.Entry.Version, errors.Join(errForeign, err))
		}
	}
}

// errForeign means that a key has changed although its only writer did not change it.
var errForeign = errors.New("and no one wrote that")

func refused(err error) bool {
	return errors.Is(err, store.ErrVersionMismatch) || errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrAbsent)
}
