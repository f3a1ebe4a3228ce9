package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"key-value/kvservice/store"
)

var preconditionChecks = append(preconditionTable(),
	Check{"exactly one of a thousand conditional writes to a version succeeds", func(t T, e store.Engine) {
		start := do(t, e, set("k", "start")).Entry.Version
		wantOneWinner(t, e, func(i int) store.Operation {
			return conditional(set("k", fmt.Sprint(i)), store.IfVersion(start))
		}, store.ErrVersionMismatch)
	}},
	Check{"exactly one of a thousand writes that require absence succeeds", func(t T, e store.Engine) {
		wantOneWinner(t, e, func(i int) store.Operation {
			return conditional(set("k", fmt.Sprint(i)), store.IfAbsent())
		}, store.ErrExists)
	}},
	Check{"a version from before a delete does not match an entry created after it", func(t T, e store.Engine) {
		old := do(t, e, set("k", "v")).Entry.Version
		do(t, e, del("k"))
		wantErr(t, e, conditional(set("k", "w"), store.IfVersion(old)), store.ErrVersionMismatch)
		do(t, e, set("k", "v"))
		wantErr(t, e, conditional(set("k", "w"), store.IfVersion(old)), store.ErrVersionMismatch)
		wantErr(t, e, conditional(del("k"), store.IfVersion(old)), store.ErrVersionMismatch)
		wantValue(t, e, "k", "v")
	}},
	Check{"a version of a different epoch does not match", func(t T, e store.Engine) {
		v := do(t, e, set("k", "v")).Entry.Version
		v.Epoch++
		wantErr(t, e, conditional(set("k", "w"), store.IfVersion(v)), store.ErrVersionMismatch)
	}},
)

// preconditionTable returns a check for each operation that takes a precondition, each state of the key, and each
// precondition.
func preconditionTable() []Check {
	var checks []Check
	for _, op := range []store.Operation{set("k", "new"), del("k"), touch("k", 0)} {
		for _, exists := range []bool{true, false} {
			for _, c := range []struct {
				name          string
				there, absent error
				make          func(store.Version) store.Precondition
			}{
				{"the current version", nil, store.ErrVersionMismatch, store.IfVersion},
				{"a different version", store.ErrVersionMismatch, store.ErrVersionMismatch, otherVersion},
				{"existence", nil, store.ErrAbsent, func(store.Version) store.Precondition { return store.IfExists() }},
				{"absence", store.ErrExists, nil, func(store.Version) store.Precondition { return store.IfAbsent() }},
			} {
				want, state := c.there, "with an entry"
				if !exists {
					want, state = c.absent, "without an entry"
				}
				name := fmt.Sprintf("%s that requires %s, %s", kindNames[op.Kind], c.name, state)
				checks = append(checks, preconditionCheck(name, op, exists, c.make, want))
			}
		}
	}
	return checks
}

func otherVersion(v store.Version) store.Precondition {
	v.Revision++
	return store.IfVersion(v)
}

// preconditionCheck checks that op fails with want and changes nothing, or succeeds if want is nil. The precondition
// is the result of make for the key's version.
func preconditionCheck(name string, op store.Operation, exists bool, make func(store.Version) store.Precondition,
	want error) Check {
	return Check{name, func(t T, e store.Engine) {
		before := do(t, e, set("k", "old")).Entry
		if !exists {
			do(t, e, del("k"))
		}
		want := want
		if op.Kind == store.Touch && !exists && want == nil {
			want = store.ErrNotFound
		}
		_, err := e.Do(t.Context(), conditional(op, make(before.Version)))
		if !errors.Is(err, want) {
			t.Fatalf("error is %v, want %v", err, want)
		}
		if err != nil && exists {
			wantSame(t, wantValue(t, e, "k", "old"), before)
		} else if err != nil {
			wantErr(t, e, get("k"), store.ErrNotFound)
		}
	}}
}

// wantOneWinner performs a thousand operations concurrently. Exactly one must succeed and be visible afterwards; the
// others must fail with lost.
func wantOneWinner(t T, e store.Engine, op func(i int) store.Operation, lost error) {
	t.Helper()
	var winners, others atomic.Int64
	var winner atomic.Value
	var all sync.WaitGroup
	for i := range 1000 {
		all.Go(func() {
			result, err := e.Do(t.Context(), op(i))
			if err == nil {
				winners.Add(1)
				winner.Store(result.Entry.Version)
			} else if !errors.Is(err, lost) {
				others.Add(1)
			}
		})
	}
	all.Wait()
	if winners.Load() != 1 || others.Load() != 0 {
		t.Fatalf("%d writes succeeded, want 1; %d failed with an error other than %v", winners.Load(), others.Load(), lost)
	}
	if got := do(t, e, get("k")).Entry.Version; got != winner.Load() {
		t.Fatalf("the entry has version %v, want that of the successful write, %v", got, winner.Load())
	}
}
