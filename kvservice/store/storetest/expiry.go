package storetest

import (
	"errors"
	"fmt"
	"time"

	"key-value/kvservice/store"
)

// moment is a TTL that is short for a test and long for a machine.
const moment = 50 * time.Millisecond

var expiryChecks = []Check{
	{"an entry is gone when its TTL has elapsed, and not before", func(t T, e store.Engine) {
		begin := time.Now()
		do(t, e, setFor("k", "v", moment))
		gone(t, e, "k")
		if lived := time.Since(begin); lived < moment {
			t.Fatalf("an entry with a TTL of %v was gone after %v", moment, lived)
		}
	}},
	{"an expired entry is not listed, counted or matched by a precondition", func(t T, e store.Engine) {
		old := do(t, e, setFor("k", "v", moment)).Entry.Version
		do(t, e, set("l", "v"))
		gone(t, e, "k")
		wantKeys(t, list(t, e, store.ListRequest{}).Entries, "l")
		if keys := statsOf(t, e).Keys; keys != 1 {
			t.Fatalf("%d keys are counted, want 1", keys)
		}
		refused(t, e, touch("k", time.Hour), store.ErrNotFound)
		refused(t, e, provided(set("k", "w"), store.IfVersion(old)), store.ErrVersionMismatch)
		refused(t, e, provided(del("k"), store.IfExists()), store.ErrAbsent)
		wantChanged(t, e, provided(set("k", "w"), store.IfAbsent()), true)
	}},
	{"an expired integer starts anew", func(t T, e store.Engine) {
		do(t, e, setFor("n", "41", moment))
		gone(t, e, "n")
		wantSum(t, e, increment("n", 1), 1)
	}},
	{"touch puts off the end, and set without a TTL does away with it", func(t T, e store.Engine) {
		do(t, e, setFor("k", "v", moment))
		do(t, e, setFor("l", "v", moment))
		do(t, e, setFor("m", "v", moment))
		do(t, e, touch("k", time.Hour))
		do(t, e, set("l", "w"))
		gone(t, e, "m")
		holds(t, e, "k", "v")
		holds(t, e, "l", "w")
	}},
	{"touch can bring the end nearer", func(t T, e store.Engine) {
		do(t, e, setFor("k", "v", time.Hour))
		do(t, e, touch("k", moment))
		gone(t, e, "k")
	}},
	{"watches hear of an expiry once, without anyone reading the key", func(t T, e store.Engine) {
		w := open(t, e, store.WatchRequest{Prefix: "k"})
		defer w.Close()
		wantEvent(t, w, store.Sync, "", "")
		do(t, e, setFor("k", "v", moment))
		wantEvent(t, w, store.Put, "k", "v")
		wantEvent(t, w, store.Expired, "k", "")
		do(t, e, set("k", "w"))
		wantEvent(t, w, store.Put, "k", "w")
	}},
	{"a thousand entries that end together are all counted as expired", func(t T, e store.Engine) {
		for i := range 1000 {
			do(t, e, setFor(fmt.Sprint("k", i), "v", moment))
		}
		eventually(t, "no entry is left", func() bool { return statsOf(t, e).Keys == 0 })
		if stats := statsOf(t, e); stats.Expirations != 1000 {
			t.Fatalf("%d expirations are counted, want 1000", stats.Expirations)
		}
	}},
}

// gone waits until key is not found.
func gone(t T, e store.Engine, key string) {
	t.Helper()
	eventually(t, "key "+key+" is gone", func() bool {
		_, err := e.Do(t.Context(), get(key))
		return errors.Is(err, store.ErrNotFound)
	})
}
