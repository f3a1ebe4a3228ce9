package storetest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"key-value/kvservice/store"
)

var statsChecks = []Check{
	{"keys are counted as they are created and deleted", func(t T, e store.Engine) {
		for i := range 10 {
			do(t, e, set(fmt.Sprint(i), "v"))
			do(t, e, set(fmt.Sprint(i), "w"))
		}
		do(t, e, del("3"))
		do(t, e, del("3"))
		if stats := statsOf(t, e); stats.Keys != 9 {
			t.Fatalf("stats count %d keys, want 9", stats.Keys)
		}
	}},
	{"reads are counted as hits or misses", func(t T, e store.Engine) {
		do(t, e, set("k", "v"))
		wantReads(t, e, 4, 2, func() {
			do(t, e, get("k"))
			wantErr(t, e, get("nope"), store.ErrNotFound)
			batch(t, e, false, get("k"), get("nope"), get("k"))
			batch(t, e, true, get("k"))
		})
	}},
	{"reads of keys that may be missing are counted as others are", func(t T, e store.Engine) {
		k, nope := colocated("x")+"k", colocated("x")+"nope"
		do(t, e, set(k, "v"))
		wantReads(t, e, 3, 3, func() {
			do(t, e, getIfAny(k))
			do(t, e, getIfAny(nope))
			batch(t, e, false, getIfAny(k), getIfAny(nope))
			batch(t, e, true, getIfAny(k), getIfAny(nope))
		})
	}},
	{"reads that are to be left out are not counted, nor are those of an atomic batch that fails", func(t T, e store.Engine) {
		k, nope := colocated("x")+"k", colocated("x")+"nope"
		do(t, e, set(k, "v"))
		there, gone := get(k), get(nope)
		there.Uncounted, gone.Uncounted = true, true
		wantReads(t, e, 0, 0, func() {
			do(t, e, there)
			wantErr(t, e, gone, store.ErrNotFound)
			batch(t, e, false, there, gone)
			batch(t, e, false, set(k, "w"), there, gone)
			batch(t, e, true, there)
			if _, err := e.Batch(t.Context(), []store.Operation{get(k), get(nope)}, true); !errors.Is(err, store.ErrNotFound) {
				t.Fatalf("an atomic batch that reads a missing key = %v, want %v", err, store.ErrNotFound)
			}
		})
	}},
	{"writes are not counted as reads, nor are lists and watches", func(t T, e store.Engine) {
		version := do(t, e, set("k", "1")).Entry.Version
		wantReads(t, e, 0, 0, func() {
			do(t, e, increment("k", 1))
			wantErr(t, e, conditional(set("k", "2"), store.IfVersion(version)), store.ErrVersionMismatch)
			wantErr(t, e, conditional(set("k", "2"), store.IfAbsent()), store.ErrExists)
			wantErr(t, e, touch("nope", time.Hour), store.ErrNotFound)
			do(t, e, touch("k", time.Hour))
			do(t, e, del("nope"))
			list(t, e, store.ListRequest{})
			open(t, e, store.WatchRequest{Snapshot: true}).Close()
			do(t, e, del("k"))
		})
	}},
	{"memory grows with the entries and is freed with them", func(t T, e store.Engine) {
		empty := statsOf(t, e).MemoryBytes
		const size = 100_000
		for i := range 100 {
			do(t, e, set(fmt.Sprint(i), strings.Repeat("v", size)))
		}
		full := statsOf(t, e).MemoryBytes
		if full-empty < 100*size {
			t.Fatalf("100 values of %d bytes take %d bytes in total", size, full-empty)
		}
		for i := range 100 {
			do(t, e, del(fmt.Sprint(i)))
		}
		if left := statsOf(t, e).MemoryBytes; left-empty > (full-empty)/10 {
			t.Fatalf("after all %d bytes were deleted, %d are left", full-empty, left-empty)
		}
	}},
	{"watches are counted while they are open", func(t T, e store.Engine) {
		a, b := open(t, e, store.WatchRequest{}), open(t, e, store.WatchRequest{Key: "k"})
		if stats := statsOf(t, e); stats.Watchers != 2 {
			t.Fatalf("stats count %d watches, want 2", stats.Watchers)
		}
		a.Close()
		b.Close()
		eventually(t, "wait until no watch is counted", func() bool { return statsOf(t, e).Watchers == 0 })
	}},
	{"stats have the engine's name, start time and run", func(t T, e store.Engine) {
		stats := statsOf(t, e)
		if stats.Guarantees.Engine == "" || stats.StartTime.IsZero() || stats.StartTime.After(time.Now()) {
			t.Fatalf("stats are %+v, want a name and a start time in the past", stats)
		}
		if again := statsOf(t, e); stats.Run == "" || again.Run != stats.Run || again.Uptime < stats.Uptime || stats.Uptime < 0 {
			t.Fatalf("stats are %+v and then %+v, want the same run and a growing uptime", stats, again)
		}
	}},
}

// wantReads checks how many hits and misses are counted during read.
func wantReads(t T, e store.Engine, hits, misses int64, read func()) {
	t.Helper()
	before := statsOf(t, e)
	read()
	after := statsOf(t, e)
	if h, m := after.Hits-before.Hits, after.Misses-before.Misses; h != hits || m != misses {
		t.Fatalf("stats count %d hits and %d misses, want %d and %d", h, m, hits, misses)
	}
}
