package storetest

import (
	"errors"
	"fmt"
	"slices"
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
	{"a batch reads keys that may be missing", func(t T, e store.Engine) {
		for _, atomic := range []bool{false, true} {
			group := colocated(fmt.Sprint(atomic))
			do(t, e, set(group+"there", "1"))
			ops := []store.Operation{
				getIfAny(group + "nope"), getIfAny(group + "there"), del(group + "there"), getIfAny(group + "there"),
			}
			results := batch(t, e, atomic, ops...)
			wantMissing(t, ops[0], results[0])
			wantMissing(t, ops[3], results[3])
			if got := string(results[1].Entry.Value); got != "1" || results[0].Err != nil || results[3].Err != nil {
				t.Fatalf("batch with atomic %t read %q with %v and %v, want 1 and no errors", atomic, got, results[0].Err, results[3].Err)
			}
			for _, many := range [][]store.Operation{ops[:1], append(slices.Repeat(ops[:2], 20), getIfAny(group+"nope"))} {
				results := batch(t, e, atomic, many...)
				if last := results[len(many)-1]; last.Err != nil || last.Entry.Key != "" {
					t.Fatalf("batch of %d gets with atomic %t returned %+v last, want no entry", len(many), atomic, last)
				}
			}
		}
	}},
	{"a batch of a thousand operations takes effect", func(t T, e store.Engine) {
		for _, atomic := range []bool{false, true} {
			prefix := colocated(fmt.Sprint(atomic))
			var ops []store.Operation
			for i := range 1000 {
				ops = append(ops, set(fmt.Sprintf("%s%04d", prefix, i), fmt.Sprint(i)))
			}
			batch(t, e, atomic, ops...)
			if page := list(t, e, store.ListRequest{Prefix: prefix}); len(page.Entries) != 1000 {
				t.Fatalf("%d of 1000 entries exist", len(page.Entries))
			}
		}
	}},
	{"a failed operation does not affect the others of its batch", func(t T, e store.Engine) {
		do(t, e, set("word", "x"))
		results := batch(t, e, false, set("a", "1"), get("nope"), increment("word", 1),
			conditional(set("a", "2"), store.IfAbsent()), set("b", "3"))
		for i, want := range []error{nil, store.ErrNotFound, store.ErrNotInteger, store.ErrExists, nil} {
			if !errors.Is(results[i].Err, want) {
				t.Fatalf("operation %d: %v, want %v", i, results[i].Err, want)
			}
		}
		wantValue(t, e, "a", "1")
		wantValue(t, e, "b", "3")
	}},
	{"a watch delivers the changes of an atomic batch in order", func(t T, e store.Engine) {
		w := open(t, e, store.WatchRequest{})
		defer w.Close()
		wantEvent(t, w, store.Sync, "", "")
		a, b := colocated("g")+"a", colocated("g")+"b"
		batch(t, e, true, set(b, "1"), set(a, "2"), del(b))
		wantEvent(t, w, store.Put, b, "1")
		wantEvent(t, w, store.Put, a, "2")
		wantEvent(t, w, store.Deleted, b, "")
	}},
	{"an atomic batch of arbitrary keys takes effect, unless the engine does not guarantee it", func(t T, e store.Engine) {
		var ops []store.Operation
		for i := range 100 {
			ops = append(ops, set(fmt.Sprint("k", i), "v"))
		}
		_, err := e.Batch(t.Context(), ops, true)
		n := len(list(t, e, store.ListRequest{}).Entries)
		if statsOf(t, e).Guarantees.AtomicAcrossKeys {
			if err != nil || n != 100 {
				t.Fatalf("batch of arbitrary keys: %v, and %d of 100 entries exist", err, n)
			}
		} else if !errors.Is(err, store.ErrAcrossShards) || n != 0 {
			t.Fatalf("batch of arbitrary keys: %v, want ErrAcrossShards; %d entries exist, want 0", err, n)
		}
	}},
	{"an empty batch succeeds", func(t T, e store.Engine) {
		batch(t, e, false)
		batch(t, e, true)
	}},
}...)

// failedBatchTable returns checks that an atomic batch that fails changes nothing, for each way to fail.
func failedBatchTable() []Check {
	var checks []Check
	for _, c := range []struct {
		name string
		last store.Operation
		want error
	}{
		{"a get finds no entry", get("nope"), store.ErrNotFound},
		{"a touch finds no entry", touch("nope", 0), store.ErrNotFound},
		{"an entry exists that must not", conditional(set("a", "2"), store.IfAbsent()), store.ErrExists},
		{"an entry does not exist that must", conditional(del("nope"), store.IfExists()), store.ErrAbsent},
		{"a version does not match", conditional(set("a", "2"), store.IfVersion(store.Version{Epoch: 1})),
			store.ErrVersionMismatch},
		{"a value is not an integer", increment("word", 1), store.ErrNotInteger},
		{"it reads an entry that it deleted", get("gone"), store.ErrNotFound},
	} {
		checks = append(checks, Check{"an atomic batch changes nothing if " + c.name, func(t T, e store.Engine) {
			wantNothing(t, e, c.last, c.want)
		}})
	}
	return checks
}

// wantNothing performs an atomic batch that ends with last, on a group of keys. It checks that the batch fails with
// want and that neither reads nor watches ever see it.
func wantNothing(t T, e store.Engine, last store.Operation, want error) {
	t.Helper()
	group := colocated("g")
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

// batch performs operations. The call itself must succeed.
func batch(t T, e store.Engine, atomic bool, ops ...store.Operation) []store.Result {
	t.Helper()
	results, err := e.Batch(t.Context(), ops, atomic)
	if err != nil || len(results) != len(ops) {
		t.Fatalf("batch of %d returned %d results and %v", len(ops), len(results), err)
	}
	return results
}
