package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"key-value/kvservice/store"
)

var preconditionChecks = append(preconditionTable(),
	Check{"of a thousand conditional writes to one version, one wins", func(t T, e store.Engine) {
		start := do(t, e, set("k", "start")).Entry.Version
		wantOneWinner(t, e, func(i int) store.Operation {
			return provided(set("k", fmt.Sprint(i)), store.IfVersion(start))
		}, store.ErrVersionMismatch)
	}},
	Check{"of a thousand writes that want no entry, one wins", func(t T, e store.Engine) {
		wantOneWinner(t, e, func(i int) store.Operation {
			return provided(set("k", fmt.Sprint(i)), store.IfAbsent())
		}, store.ErrExists)
	}},
	Check{"a version from before a delete does not match what is created after it", func(t T, e store.Engine) {
		old := do(t, e, set("k", "v")).Entry.Version
		do(t, e, del("k"))
		refused(t, e, provided(set("k", "w"), store.IfVersion(old)), store.ErrVersionMismatch)
		do(t, e, set("k", "v"))
		refused(t, e, provided(set("k", "w"), store.IfVersion(old)), store.ErrVersionMismatch)
		refused(t, e, provided(del("k"), store.IfVersion(old)), store.ErrVersionMismatch)
		holds(t, e, "k", "v")
	}},
	Check{"a version of another epoch does not match", func(t T, e store.Engine) {
		v := do(t, e, set("k", "v")).Entry.Version
		v.Epoch++
		refused(t, e, provided(set("k", "w"), store.IfVersion(v)), store.ErrVersionMismatch)
	}},
)

// preconditionTable returns a check for each operation that takes a precondition, each state of the key and
// each precondition.
func preconditionTable() []Check {
	var checks []Check
	for _, op := range []store.Operation{set("k", "new"), del("k"), touch("k", 0)} {
		for _, exists := range []bool{true, false} {
			for _, c := range []struct {
				name          string
				there, absent error
				make          func(store.Version) store.Precondition
			}{
				{"its version", nil, store.ErrVersionMismatch, store.IfVersion},
				{"another version", store.ErrVersionMismatch, store.ErrVersionMismatch, otherVersion},
				{"an entry", nil, store.ErrAbsent, func(store.Version) store.Precondition { return store.IfExists() }},
				{"no entry", store.ErrExists, nil, func(store.Version) store.Precondition { return store.IfAbsent() }},
			} {
				want, state := c.there, "there is an entry"
				if !exists {
					want, state = c.absent, "there is none"
				}
				name := fmt.Sprintf("%s wants %s and %s", kindNames[op.Kind], c.name, state)
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

// preconditionCheck is the check that op, with a precondition on the version that make is called with, fails
// with want and changes nothing, or succeeds if want is nil.
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
		_, err := e.Do(t.Context(), provided(op, make(before.Version)))
		if !errors.Is(err, want) {
			t.Fatalf("error is %v, want %v", err, want)
		}
		if err != nil && exists {
			wantSame(t, holds(t, e, "k", "old"), before)
		} else if err != nil {
			refused(t, e, get("k"), store.ErrNotFound)
		}
	}}
}

// wantOneWinner carries out a thousand operations at once, of which one must succeed, be read afterwards,
// and all others fail with lost.
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
		t.Fatalf("%d writes won, and %d failed other than with %v", winners.Load(), others.Load(), lost)
	}
	if got := do(t, e, get("k")).Entry.Version; got != winner.Load() {
		t.Fatalf("the entry is in version %v, and %v won", got, winner.Load())
	}
}
