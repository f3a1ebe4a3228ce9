package storetest

import (
	"errors"
	"fmt"
	"time"

	"key-value/kvservice/store"
)

// shortTTL is a short TTL for a test, and a long time for a machine.
const shortTTL = 50 * time.Millisecond

// together performs ops, which must succeed, in less than a short TTL: an engine may wait for its disk after each call.
func together(t T, e store.Engine, ops ...store.Operation) {
	t.Helper()
	results, err := e.Batch(t.Context(), ops, false)
	for _, result := range results {
		err = errors.Join(err, result.Err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

var expiryChecks = []Check{
	{"an entry expires when its TTL elapses, and not before", func(t T, e store.Engine) {
		begin := time.Now()
		do(t, e, setFor("k", "v", shortTTL))
		waitExpired(t, e, "k")
		if lived := time.Since(begin); lived < shortTTL {
			t.Fatalf("an entry with a TTL of %v expired after %v", shortTTL, lived)
		}
	}},
	{"an expired entry is not listed, counted or matched by a precondition", func(t T, e store.Engine) {
		old := do(t, e, setFor("k", "v", shortTTL)).Entry.Version
		do(t, e, set("l", "v"))
		waitExpired(t, e, "k")
		wantKeys(t, list(t, e, store.ListRequest{}).Entries, "l")
		if keys := statsOf(t, e).Keys; keys != 1 {
			t.Fatalf("stats count %d keys, want 1", keys)
		}
		wantErr(t, e, touch("k", time.Hour), store.ErrNotFound)
		wantErr(t, e, conditional(set("k", "w"), store.IfVersion(old)), store.ErrVersionMismatch)
		wantErr(t, e, conditional(del("k"), store.IfExists()), store.ErrAbsent)
		wantChanged(t, e, conditional(set("k", "w"), store.IfAbsent()), true)
	}},
	{"increment of an expired integer starts again", func(t T, e store.Engine) {
		do(t, e, setFor("n", "41", shortTTL))
		waitExpired(t, e, "n")
		wantSum(t, e, increment("n", 1), 1)
	}},
	{"touch postpones expiry, and set without a TTL cancels it", func(t T, e store.Engine) {
		together(t, e, setFor("k", "v", shortTTL), setFor("l", "v", shortTTL), setFor("m", "v", shortTTL), touch("k", time.Hour), set("l", "w"))
		waitExpired(t, e, "m")
		wantValue(t, e, "k", "v")
		wantValue(t, e, "l", "w")
	}},
	{"set that keeps the TTL does not postpone expiry", func(t T, e store.Engine) {
		together(t, e, setFor("k", "v", shortTTL), setKeeping("k", "w"))
		waitExpired(t, e, "k")
		wantForever(t, do(t, e, setKeeping("k", "x")).Entry)
		wantValue(t, e, "k", "x")
	}},
	{"touch can make an entry expire earlier", func(t T, e store.Engine) {
		do(t, e, setFor("k", "v", time.Hour))
		do(t, e, touch("k", shortTTL))
		waitExpired(t, e, "k")
	}},
	{"watches deliver an expiry once, even if the key is not read", func(t T, e store.Engine) {
		w := open(t, e, store.WatchRequest{Prefix: "k"})
		defer w.Close()
		wantEvent(t, w, store.Sync, "", "")
		do(t, e, setFor("k", "v", shortTTL))
		wantEvent(t, w, store.Put, "k", "v")
		wantEvent(t, w, store.Expired, "k", "")
		do(t, e, set("k", "w"))
		wantEvent(t, w, store.Put, "k", "w")
	}},
	{"a thousand entries that expire together are all counted as expired", func(t T, e store.Engine) {
		for i := range 1000 {
			do(t, e, setFor(fmt.Sprint("k", i), "v", shortTTL))
		}
		eventually(t, "wait until no entry is left", func() bool { return statsOf(t, e).Keys == 0 })
		if stats := statsOf(t, e); stats.Expirations != 1000 {
			t.Fatalf("stats count %d expirations, want 1000", stats.Expirations)
		}
	}},
}

// waitExpired waits until key is not found.
func waitExpired(t T, e store.Engine, key string) {
	t.Helper()
	eventually(t, "wait until key "+key+" expires", func() bool {
		_, err := e.Do(t.Context(), get(key))
		return errors.Is(err, store.ErrNotFound)
	})
}
