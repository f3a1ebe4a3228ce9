package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"

	"key-value/kvservice/store"
	"key-value/kvservice/store/memory"
	"key-value/kvservice/store/storetest"
)

// faulty is a store with a bug, which shows in about one in 20 of the calls that it affects. In addition, one call in
// 20 has no answer, and half of those take effect, as while faults are injected.
type faulty struct {
	store.Engine
	bug func(ctx context.Context, e store.Engine, op store.Operation) (result store.Result, err error, shown bool)

	mu     sync.Mutex
	random *rand.Rand // guarded by mu
}

func newFaulty(t *testing.T, bug func(context.Context, store.Engine, store.Operation) (store.Result, error, bool)) *faulty {
	e := memory.New(memory.Options{})
	t.Cleanup(func() { _ = e.Close() })
	return &faulty{Engine: e, bug: bug, random: rand.New(rand.NewPCG(1, 2))}
}

func (f *faulty) draw(n int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.random.IntN(n)
}

func (f *faulty) Do(ctx context.Context, op store.Operation) (store.Result, error) {
	switch f.draw(40) {
	case 0:
		return store.Result{}, store.ErrUnknownOutcome
	case 1:
		_, _ = f.Engine.Do(ctx, op)
		return store.Result{}, store.ErrUnknownOutcome
	case 2, 3:
		if result, err, shown := f.bug(ctx, f.Engine, op); shown {
			return result, err
		}
	}
	return f.Engine.Do(ctx, op)
}

func noBug(context.Context, store.Engine, store.Operation) (store.Result, error, bool) {
	return store.Result{}, nil, false
}

// lostWrite acknowledges a set and forgets it.
func lostWrite(ctx context.Context, e store.Engine, op store.Operation) (store.Result, error, bool) {
	if op.Kind != store.Set {
		return store.Result{}, nil, false
	}
	result, err := e.Do(ctx, op)
	if err == nil {
		_, _ = e.Do(ctx, store.Operation{Kind: store.Delete, Key: op.Key, Precondition: store.IfVersion(result.Entry.Version)})
	}
	return result, err, true
}

// twice repeats an increment whose first answer was lost.
func twice(ctx context.Context, e store.Engine, op store.Operation) (store.Result, error, bool) {
	if op.Kind != store.Increment {
		return store.Result{}, nil, false
	}
	_, _ = e.Do(ctx, op)
	result, err := e.Do(ctx, op)
	return result, err, true
}

// optimist reports a write as done that never arrived.
func optimist(_ context.Context, _ store.Engine, op store.Operation) (store.Result, error, bool) {
	if op.Kind != store.Delete {
		return store.Result{}, nil, false
	}
	return store.Result{Changed: true}, nil, true
}

// forgetfulCondition ignores a precondition.
func forgetfulCondition(ctx context.Context, e store.Engine, op store.Operation) (store.Result, error, bool) {
	if _, ok := op.Precondition.Version(); !ok {
		return store.Result{}, nil, false
	}
	op.Precondition = store.Precondition{}
	result, err := e.Do(ctx, op)
	return result, err, true
}

func TestHistoriesShowASeededBug(t *testing.T) {
	for name, bug := range map[string]func(context.Context, store.Engine, store.Operation) (store.Result, error, bool){
		"a write is acknowledged and lost":         lostWrite,
		"an increment takes effect twice":          twice,
		"a delete is reported that never happened": optimist,
		"a write succeeds on a newer version":      forgetfulCondition,
	} {
		t.Run(name, func(t *testing.T) {
			f := newFaulty(t, bug)
			for seed := range uint64(50) {
				h := history{seed: seed}
				h.record(t.Context(), f)
				if err := h.check(nil); err != nil {
					t.Logf("found in history %d: %.300s", seed, err)
					return
				}
			}
			t.Error("50 histories were all considered right")
		})
	}
}

func TestHistoriesOfARightStoreAreRight(t *testing.T) {
	f := newFaulty(t, noBug)
	for seed := range uint64(20) {
		h := history{seed: seed}
		h.record(t.Context(), f)
		if err := h.check(nil); err != nil {
			t.Fatal(err)
		}
	}
}

// gappy now and then omits or repeats an event.
type gappy struct {
	storetest.Watchable
	twice bool
}

func (g gappy) Watch(ctx context.Context, req store.WatchRequest) (store.Watcher, error) {
	w, err := g.Watchable.Watch(ctx, req)
	return &gappyWatch{Watcher: w, twice: g.twice}, err
}

type gappyWatch struct {
	store.Watcher
	twice  bool
	n      int
	latest store.Event
}

func (w *gappyWatch) Next(ctx context.Context) (store.Event, error) {
	w.n++
	if w.n == 7 {
		if w.twice {
			return w.latest, nil
		}
		_, _ = w.Watcher.Next(ctx)
	}
	var err error
	w.latest, err = w.Watcher.Next(ctx)
	return w.latest, err
}

// cutting cuts each watch after a few events.
type cutting struct{ storetest.Watchable }

func (c cutting) Watch(ctx context.Context, req store.WatchRequest) (store.Watcher, error) {
	w, err := c.Watchable.Watch(ctx, req)
	return &cutWatch{Watcher: w}, err
}

type cutWatch struct {
	store.Watcher
	n int
}

func (w *cutWatch) Next(ctx context.Context) (store.Event, error) {
	if w.n++; w.n > 25 { // more than a snapshot has
		return store.Event{}, store.ErrUnknownOutcome
	}
	return w.Watcher.Next(ctx)
}

func TestJournalsShowASeededBug(t *testing.T) {
	for name, test := range map[string]struct {
		bug   func(context.Context, store.Engine, store.Operation) (store.Result, error, bool)
		watch func(storetest.Watchable) storetest.Watchable
		right bool
	}{
		"no bug":                   {noBug, func(e storetest.Watchable) storetest.Watchable { return resuming{cutting{e}} }, true},
		"a watch has a gap":        {noBug, func(e storetest.Watchable) storetest.Watchable { return resuming{cutting{gappy{e, false}}} }, false},
		"a watch repeats an event": {noBug, func(e storetest.Watchable) storetest.Watchable { return resuming{cutting{gappy{e, true}}} }, false},
		"a write is lost":          {lostWrite, func(e storetest.Watchable) storetest.Watchable { return e }, false},
		"a delete never arrived":   {optimist, func(e storetest.Watchable) storetest.Watchable { return e }, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFaulty(t, test.bug)
			var err error
			for seed := uint64(0); seed < 4 && err == nil; seed++ {
				ctx, end := context.WithCancelCause(t.Context())
				_, err = follow(ctx, end, f, []storetest.Watchable{test.watch(f.Engine)}, seed)
				end(nil)
			}
			if right := err == nil; right != test.right {
				t.Errorf("the journals are right: %t, want %t: %v", right, test.right, err)
			}
		})
	}
}
