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

// sure makes writes until it knows what became of each, for keys of which each has one writer. It can do so because
// it makes every write conditional on the version before it: of a write that is made twice, only one is carried out.
type sure struct {
	storetest.Store

	mu      sync.Mutex
	known   map[string]store.Version // what each key has, if it exists; guarded by mu
	keep    map[string]bool          // keys that are not deleted any more; guarded by mu
	written int                      // guarded by mu
}

func newSure(s storetest.Store) *sure {
	return &sure{Store: s, known: map[string]store.Version{}, keep: map[string]bool{}}
}

// Do carries out a set or a delete.
func (s *sure) Do(ctx context.Context, op store.Operation) (store.Result, error) {
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

// conditional returns op so that it can be made twice. A delete of a key that is not there, or that must be kept, is
// needless.
func (s *sure) conditional(op store.Operation) (store.Operation, bool) {
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

// doubt is told of a write that may yet be carried out. One that creates a key could do so once the key is deleted.
func (s *sure) doubt(op store.Operation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, exists := s.known[op.Key]; !exists {
		s.keep[op.Key] = true
	}
}

func (s *sure) done(op store.Operation, result store.Result) (store.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, op.Key)
	if op.Kind == store.Set {
		s.known[op.Key] = result.Entry.Version
	}
	return result, nil
}

// find returns the result of a write that was carried out although it got no answer.
func (s *sure) find(ctx context.Context, op store.Operation) (store.Result, error) {
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
			return store.Result{}, fmt.Errorf("a write to %q neither happened nor can happen: there is %q in version %v, %w",
				op.Key, result.Entry.Value, result.Entry.Version, errors.Join(errForeign, err))
		}
	}
}

// errForeign is that a key has changed although its only writer did not change it.
var errForeign = errors.New("and nobody wrote that")

func refused(err error) bool {
	return errors.Is(err, store.ErrVersionMismatch) || errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrAbsent)
}
