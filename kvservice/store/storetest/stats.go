package storetest

import (
	"fmt"
	"strings"
	"time"

	"key-value/kvservice/store"
)

var statsChecks = []Check{
	{"keys are counted as they come and go", func(t T, e store.Engine) {
		for i := range 10 {
			do(t, e, set(fmt.Sprint(i), "v"))
			do(t, e, set(fmt.Sprint(i), "w"))
		}
		do(t, e, del("3"))
		do(t, e, del("3"))
		if stats := statsOf(t, e); stats.Keys != 9 {
			t.Fatalf("%d keys are counted, want 9", stats.Keys)
		}
	}},
	{"reads are counted by whether they found their key", func(t T, e store.Engine) {
		do(t, e, set("k", "v"))
		before := statsOf(t, e)
		do(t, e, get("k"))
		refused(t, e, get("nope"), store.ErrNotFound)
		batch(t, e, false, get("k"), get("nope"), get("k"))
		batch(t, e, true, get("k"))
		after := statsOf(t, e)
		if hits, misses := after.Hits-before.Hits, after.Misses-before.Misses; hits != 4 || misses != 2 {
			t.Fatalf("%d hits and %d misses are counted, want 4 and 2", hits, misses)
		}
	}},
	{"memory grows with what is stored and is given back", func(t T, e store.Engine) {
		empty := statsOf(t, e).MemoryBytes
		const size = 100_000
		for i := range 100 {
			do(t, e, set(fmt.Sprint(i), strings.Repeat("v", size)))
		}
		full := statsOf(t, e).MemoryBytes
		if full-empty < 100*size {
			t.Fatalf("100 values of %d bytes take %d bytes", size, full-empty)
		}
		for i := range 100 {
			do(t, e, del(fmt.Sprint(i)))
		}
		if left := statsOf(t, e).MemoryBytes; left-empty > (full-empty)/10 {
			t.Fatalf("of %d bytes, %d are left after all was deleted", full-empty, left-empty)
		}
	}},
	{"watches are counted while they are open", func(t T, e store.Engine) {
		a, b := open(t, e, store.WatchRequest{}), open(t, e, store.WatchRequest{Key: "k"})
		if stats := statsOf(t, e); stats.Watchers != 2 {
			t.Fatalf("%d watches are counted, want 2", stats.Watchers)
		}
		a.Close()
		b.Close()
		eventually(t, "no watch is counted", func() bool { return statsOf(t, e).Watchers == 0 })
	}},
	{"the engine says what it is and since when", func(t T, e store.Engine) {
		stats := statsOf(t, e)
		if stats.Guarantees.Engine == "" || stats.StartTime.IsZero() || stats.StartTime.After(time.Now()) {
			t.Fatalf("stats are %+v", stats)
		}
	}},
}
