package storetest

import (
	"errors"
	"fmt"
	"time"

	"key-value/kvservice/store"
)

var batchChecks = append(failedBatchTable(), []Check{
	{"a batch returns the results of its operations in order", func(t T, e store.Engine) {
		for _, atomic := range []bool{false, true} {
			prefix := fmt.Sprint(atomic)
			results := batch(t, e, atomic, set(prefix+"a", "1"), get(prefix+"a"), increment(prefix+"a", 4),
				touch(prefix+"a", time.Hour), get(prefix+"a"), del(prefix+"a"), del(prefix+"a"))
			got := fmt.Sprintf("%t %q %d %t %q %t %t", results[0].Changed, results[1].Entry.Value, results[2].Sum,
				results[3].Entry.ExpireTime.IsZero(), results[4].Entry.Value, results[5].Changed, results[6].Changed)
			if want := `true "1" 5 false "5" true false`; got != want {
				t.Fatalf("batch with atomic %t returned %s, want %s", atomic, got, want)
			}
		}
	}},
	{"a batch of a thousand operations takes effect", func(t T, e store.Engine) {
		for _, atomic := range []bool{false, true} {
			prefix := together(fmt.Sprint(atomic))
			var ops []store.Operation
			for i := range 1000 {
				ops = append(ops, set(fmt.Sprintf("%s%04d", prefix, i), fmt.Sprint(i)))
			}
			batch(t, e, atomic, ops...)
			if page := list(t, e, store.ListRequest{Prefix: prefix}); len(page.Entries) != 1000 {
				t.Fatalf("%d of 1000 entries are there", len(page.Entries))
			}
		}
	}},
	{"an operation that fails leaves the others of its batch alone", func(t T, e store.Engine) {
		do(t, e, set("word", "x"))
		results := batch(t, e, false, set("a", "1"), get("nope"), increment("word", 1),
			provided(set("a", "2"), store.IfAbsent()), set("b", "3"))
		for i, want := range []error{nil, store.ErrNotFound, store.ErrNotInteger, store.ErrExists, nil} {
			if !errors.Is(results[i].Err, want) {
				t.Fatalf("operation %d: %v, want %v", i, results[i].Err, want)
			}
		}
		holds(t, e, "a", "1")
		holds(t, e, "b", "3")
	}},
	{"an atomic batch reaches its watch as one change after another", func(t T, e store.Engine) {
		w := open(t, e, store.WatchRequest{})
		defer w.Close()
		wantEvent(t, w, store.Sync, "", "")
		a, b := together("g")+"a", together("g")+"b"
		batch(t, e, true, set(b, "1"), set(a, "2"), del(b))
		wantEvent(t, w, store.Put, b, "1")
		wantEvent(t, w, store.Put, a, "2")
		wantEvent(t, w, store.Deleted, b, "")
	}},
	{"an atomic batch of any keys takes effect, or is refused by an engine that does not promise it", func(t T, e store.Engine) {
		var ops []store.Operation
		for i := range 100 {
			ops = append(ops, set(fmt.Sprint("k", i), "v"))
		}
		_, err := e.Batch(t.Context(), ops, true)
		n := len(list(t, e, store.ListRequest{}).Entries)
		if statsOf(t, e).Guarantees.AtomicAcrossKeys {
			if err != nil || n != 100 {
				t.Fatalf("batch of keys in any place: %v, and %d of 100 entries are there", err, n)
			}
		} else if !errors.Is(err, store.ErrAcrossShards) || n != 0 {
			t.Fatalf("batch of keys in any place: %v, want ErrAcrossShards, and %d entries are there", err, n)
		}
	}},
	{"an empty batch succeeds", func(t T, e store.Engine) {
		batch(t, e, false)
		batch(t, e, true)
	}},
}...)

// failedBatchTable returns a check for each way in which an atomic batch can fail, that it changes nothing.
func failedBatchTable() []Check {
	var checks []Check
	for _, c := range []struct {
		name string
		last store.Operation
		want error
	}{
		{"a get finds nothing", get("nope"), store.ErrNotFound},
		{"a touch finds nothing", touch("nope", 0), store.ErrNotFound},
		{"an entry should be absent", provided(set("a", "2"), store.IfAbsent()), store.ErrExists},
		{"an entry should be there", provided(del("nope"), store.IfExists()), store.ErrAbsent},
		{"a version does not match", provided(set("a", "2"), store.IfVersion(store.Version{Epoch: 1})),
			store.ErrVersionMismatch},
		{"a value is no integer", increment("word", 1), store.ErrNotInteger},
		{"an entry that it deleted is read", get("gone"), store.ErrNotFound},
	} {
		checks = append(checks, Check{"an atomic batch changes nothing if " + c.name, func(t T, e store.Engine) {
			wantNothing(t, e, c.last, c.want)
		}})
	}
	return checks
}

// wantNothing carries out an atomic batch that ends with last, in a group of keys, and checks that it fails with want, and that
// neither readers nor watches ever hear of it.
func wantNothing(t T, e store.Engine, last store.Operation, want error) {
	t.Helper()
	group := together("g")
	do(t, e, set(group+"a", "1"))
	do(t, e, set(group+"word", "x"))
	do(t, e, set(group+"gone", "g"))
	before := list(t, e, store.ListRequest{}).Entries
	w := open(t, e, store.WatchRequest{})
	defer w.Close()
	wantEvent(t, w, store.Sync, "", "")

	last.Key = group + last.Key
	ops := []store.Operation{
		set(group+"b", "2"), del(group + "gone"), touch(group+"word", time.Hour), increment(group+"n", 1), last,
	}
	var failure *store.BatchError
	if results, err := e.Batch(t.Context(), ops, true); !errors.As(err, &failure) || failure.Index != 4 ||
		!errors.Is(err, want) {
		t.Fatalf("batch returned %v, %v, want operation 4 to fail with %v", results, err, want)
	}
	after := list(t, e, store.ListRequest{}).Entries
	wantKeys(t, after, keysOf(before)...)
	for i := range before {
		wantSame(t, after[i], before[i])
	}
	do(t, e, set("end", ""))
	wantEvent(t, w, store.Put, "end", "")
}

// batch carries out operations, which must not fail as a whole.
func batch(t T, e store.Engine, atomic bool, ops ...store.Operation) []store.Result {
	t.Helper()
	results, err := e.Batch(t.Context(), ops, atomic)
	if err != nil || len(results) != len(ops) {
		t.Fatalf("batch of %d returned %d results and %v", len(ops), len(results), err)
	}
	return results
}
