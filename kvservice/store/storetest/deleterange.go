package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"key-value/kvservice/store"
)

var deleteRangeChecks = []Check{
	{"a range is deleted from its start to its end, and nothing else", func(t T, e store.Engine) {
		for _, key := range []string{"a", "b/1", "b/2", "b/3", "c", "d"} {
			do(t, e, set(key, "v"))
		}
		wantRange(t, e, store.RangeRequest{Prefix: "x"}, 0, false)
		wantRange(t, e, store.RangeRequest{Start: "d", End: "a"}, 0, false)
		wantRange(t, e, store.RangeRequest{Prefix: "b/", Start: "b/2", End: "z"}, 2, false)
		wantKeys(t, list(t, e, store.ListRequest{}).Entries, "a", "b/1", "c", "d")
		wantRange(t, e, store.RangeRequest{Start: "b", End: "d"}, 2, false)
		wantKeys(t, list(t, e, store.ListRequest{}).Entries, "a", "d")
		wantRange(t, e, store.RangeRequest{}, 2, false)
		wantKeys(t, list(t, e, store.ListRequest{}).Entries)
	}},
	{"a dry run counts what would be deleted, and deletes nothing", func(t T, e store.Engine) {
		for i := range 7 {
			do(t, e, set(fmt.Sprint("k/", i), "v"))
		}
		req := store.RangeRequest{Prefix: "k/", Limit: 4, DryRun: true}
		req.After = wantRange(t, e, req, 4, true).Last
		wantRange(t, e, req, 3, false)
		if n := len(list(t, e, store.ListRequest{}).Entries); n != 7 {
			t.Fatalf("%d entries are left, want 7", n)
		}
	}},
	{"a long range is deleted in parts, and watches get an event for each entry", func(t T, e store.Engine) {
		want := map[string]bool{}
		for i := range 25 {
			key := fmt.Sprintf("k/%02d", i)
			want[key] = true
			do(t, e, set(key, "v"))
		}
		w := open(t, e, store.WatchRequest{Prefix: "k/"})
		defer w.Close()
		next(t, w)
		req := store.RangeRequest{Prefix: "k/", Limit: 10}
		for _, n := range []int{10, 10, 5} {
			req.After = wantRange(t, e, req, n, n == 10).Last
		}
		for len(want) > 0 {
			event := next(t, w)
			if event.Type != store.Deleted || !want[event.Entry.Key] {
				t.Fatalf("next event is %s, want one delete of each key", describeEvent(event))
			}
			delete(want, event.Entry.Key)
		}
	}},
	{"an expired entry in a range is not counted", func(t T, e store.Engine) {
		do(t, e, setFor("k/1", "v", 10*time.Millisecond))
		do(t, e, set("k/2", "v"))
		eventually(t, "the first has expired", func() bool { return len(list(t, e, store.ListRequest{}).Entries) == 1 })
		wantRange(t, e, store.RangeRequest{Prefix: "k/"}, 1, false)
	}},
	{"no read sees some of a deleted range without the others", func(t T, e store.Engine) {
		// Engines that divide their entries keep these together.
		group, across := colocated("g"), statsOf(t, e).Guarantees.AtomicAcrossKeys
		var sets, gets []store.Operation
		for i := range 20 {
			key := fmt.Sprintf("%s%02d", group, i)
			sets, gets = append(sets, set(key, "v")), append(gets, getIfAny(key))
		}
		var deleted atomic.Int64
		stop := refill(t.Context(), e, group, sets, &deleted)
		defer stop()
		for reads := 0; reads < 10 || deleted.Load() < int64(rounds(500)); reads++ {
			there := 0
			for _, result := range batch(t, e, true, gets...) {
				if result.Entry.Key != "" {
					there++
				}
			}
			if there != 0 && there != len(gets) {
				t.Fatalf("an atomic batch reads %d of %d entries that are written and deleted together", there, len(gets))
			}
			if !across {
				continue
			}
			if n := len(list(t, e, store.ListRequest{Prefix: group}).Entries); n != 0 && n != len(gets) {
				t.Fatalf("a page has %d of %d entries that are written and deleted together", n, len(gets))
			}
			if t.Context().Err() != nil {
				t.Fatalf("only %d ranges were deleted: %v", deleted.Load(), t.Context().Err())
			}
		}
	}},
}

// refill writes entries in an atomic batch and deletes their range, again and again until stop is called.
func refill(ctx context.Context, s Store, prefix string, sets []store.Operation, deleted *atomic.Int64) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			_, _ = s.Batch(ctx, slices.Clone(sets), true)
			_, _ = s.DeleteRange(ctx, store.RangeRequest{Prefix: prefix, Limit: 1000})
			deleted.Add(1)
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// wantRange deletes a range and checks how many entries that removes, and whether there are more. A limit of zero means a
// high one.
func wantRange(t T, e store.Engine, req store.RangeRequest, deleted int, more bool) store.RangeResult {
	t.Helper()
	if req.Limit == 0 {
		req.Limit = 1000
	}
	got, err := e.DeleteRange(t.Context(), req)
	if err != nil || got.Deleted != deleted || got.More != more || more && got.Last == "" {
		t.Fatalf("delete range %+v = %+v, %v; want %d entries and more %t", req, got, err, deleted, more)
	}
	return got
}
