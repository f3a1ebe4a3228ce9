package storetest

import (
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
		before := statsOf(t, e)
		do(t, e, get("k"))
		wantErr(t, e, get("nope"), store.ErrNotFound)
		batch(t, e, false, get("k"), get("nope"), get("k"))
		batch(t, e, true, get("k"))
		after := statsOf(t, e)
		if hits, misses := after.Hits-before.Hits, after.Misses-before.Misses; hits != 4 || misses != 2 {
			t.Fatalf("stats count %d hits and %d misses, want 4 and 2", hits, misses)
		}
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
	{"stats have the engine's name and start time", func(t T, e store.Engine) {
		stats := statsOf(t, e)
		if stats.Guarantees.Engine == "" || stats.StartTime.IsZero() || stats.StartTime.After(time.Now()) {
			t.Fatalf("stats are %+v, want a name and a start time in the past", stats)
		}
	}},
}
