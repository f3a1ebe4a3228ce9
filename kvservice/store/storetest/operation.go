package storetest

import (
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"key-value/kvservice/store"
)

var operationChecks = []Check{
	{"get fails with ErrNotFound for a key that was never written", func(t T, e store.Engine) {
		wantErr(t, e, get("nope"), store.ErrNotFound)
	}},
	{"get of a key that may be missing returns its entry, or none", func(t T, e store.Engine) {
		wantMissing(t, getIfAny("nope"), do(t, e, getIfAny("nope")))
		do(t, e, set("k", "v"))
		wantSame(t, do(t, e, getIfAny("k")).Entry, wantValue(t, e, "k", "v"))
		do(t, e, del("k"))
		wantMissing(t, getIfAny("k"), do(t, e, getIfAny("k")))
	}},
	{"get returns what set wrote, byte for byte", func(t T, e store.Engine) {
		for _, value := range []string{"text", "", "\x00", "\xff\xfe\x00", strings.Repeat("v", 1<<20)} {
			do(t, e, set("k", value))
			wantValue(t, e, "k", value)
		}
	}},
	{"keys are compared byte by byte", func(t T, e store.Engine) {
		keys := []string{"a", "A", "a/", "a//b", "a/b", "a%2Fb", "é", "e\u0301", strings.Repeat("k", 1024)}
		for _, key := range keys {
			do(t, e, set(key, "value of "+key))
		}
		for _, key := range keys {
			wantValue(t, e, key, "value of "+key)
		}
	}},
	{"set reports whether it created the key", func(t T, e store.Engine) {
		wantChanged(t, e, set("k", "1"), true)
		wantChanged(t, e, set("k", "2"), false)
		do(t, e, del("k"))
		wantChanged(t, e, set("k", "3"), true)
	}},
	{"set returns the entry it wrote, without the value", func(t T, e store.Engine) {
		wrote := do(t, e, setFor("k", "v", time.Hour)).Entry
		if wrote.Value != nil {
			t.Fatalf("set returned the value %q, want none", wrote.Value)
		}
		wantSame(t, wrote, wantValue(t, e, "k", "v"))
	}},
	{"delete reports whether it removed an entry", func(t T, e store.Engine) {
		wantChanged(t, e, del("k"), false)
		do(t, e, set("k", "v"))
		wantChanged(t, e, del("k"), true)
		wantChanged(t, e, del("k"), false)
		wantErr(t, e, get("k"), store.ErrNotFound)
	}},
	{"delete does not affect neighboring keys", func(t T, e store.Engine) {
		for _, key := range []string{"a", "ab", "b"} {
			do(t, e, set(key, key))
		}
		do(t, e, del("ab"))
		wantValue(t, e, "a", "a")
		wantValue(t, e, "b", "b")
	}},
	{"touch makes a new version with the same value", func(t T, e store.Engine) {
		before := do(t, e, set("k", "v")).Entry
		touched := do(t, e, touch("k", time.Hour)).Entry
		after := wantValue(t, e, "k", "v")
		wantSame(t, touched, after)
		if after.Version == before.Version || after.ExpireTime.IsZero() || touched.Value != nil {
			t.Fatalf("touch made %+v from %+v", touched, before)
		}
	}},
	{"touch without a TTL cancels expiry", func(t T, e store.Engine) {
		do(t, e, setFor("k", "v", time.Hour))
		if touched := do(t, e, touch("k", 0)).Entry; !touched.ExpireTime.IsZero() {
			t.Fatalf("the touched entry expires at %v, want never", touched.ExpireTime)
		}
	}},
	{"touch fails with ErrNotFound for a key that does not exist", func(t T, e store.Engine) {
		wantErr(t, e, touch("k", time.Hour), store.ErrNotFound)
		wantErr(t, e, get("k"), store.ErrNotFound)
	}},
	{"set without a TTL removes the previous TTL", func(t T, e store.Engine) {
		if wrote := do(t, e, setFor("k", "v", time.Hour)).Entry; wrote.ExpireTime.IsZero() {
			t.Fatalf("an entry with a TTL does not expire: %+v", wrote)
		}
		if wrote := do(t, e, set("k", "v")).Entry; !wrote.ExpireTime.IsZero() {
			t.Fatalf("the entry expires at %v, want never", wrote.ExpireTime)
		}
	}},
	{"set that keeps the TTL leaves the deadline as it was", func(t T, e store.Engine) {
		before := do(t, e, setFor("k", "v", time.Hour)).Entry
		wrote := do(t, e, setKeeping("k", "w")).Entry
		wantSame(t, wrote, wantValue(t, e, "k", "w"))
		if !wrote.ExpireTime.Equal(before.ExpireTime) || wrote.Version == before.Version {
			t.Fatalf("the entry is %+v, want a new version that expires at %v", wrote, before.ExpireTime)
		}
		wantLeft(t, wrote, time.Hour)
		do(t, e, touch("k", 0))
		wantForever(t, do(t, e, setKeeping("k", "x")).Entry)
	}},
	{"set that keeps the TTL of a key that does not exist creates an entry that never expires", func(t T, e store.Engine) {
		wantChanged(t, e, setKeeping("k", "v"), true)
		wantForever(t, wantValue(t, e, "k", "v"))
		do(t, e, setFor("k", "v", time.Hour))
		do(t, e, del("k"))
		wantForever(t, do(t, e, setKeeping("k", "w")).Entry)
	}},
	{"set that keeps the TTL does so in a batch too", func(t T, e store.Engine) {
		for _, atomic := range []bool{false, true} {
			k := colocated(strconv.FormatBool(atomic)) + "k"
			results := batch(t, e, atomic, setFor(k, "v", time.Hour), setKeeping(k, "w"), get(k), del(k), setKeeping(k, "x"))
			for _, kept := range results[1:3] {
				if !kept.Entry.ExpireTime.Equal(results[0].Entry.ExpireTime) {
					t.Fatalf("atomic %t: the entry expires at %v, want %v as before", atomic, kept.Entry.ExpireTime, results[0].Entry.ExpireTime)
				}
			}
			wantForever(t, results[4].Entry)
		}
	}},
	{"an entry expires its TTL after its update time", func(t T, e store.Engine) {
		entry := do(t, e, setFor("k", "v", time.Hour)).Entry
		if ttl := entry.ExpireTime.Sub(entry.UpdateTime); ttl < time.Hour || ttl > time.Hour+time.Second {
			t.Fatalf("the entry expires %v after its update time, want 1h", ttl)
		}
	}},
	{"an entry has what is left of its TTL", func(t T, e store.Engine) {
		w := open(t, e, store.WatchRequest{Key: "k"})
		defer w.Close()
		wantEvent(t, w, store.Sync, "", "")
		wantLeft(t, do(t, e, setFor("k", "v", time.Hour)).Entry, time.Hour)
		wantLeft(t, do(t, e, get("k")).Entry, time.Hour)
		wantLeft(t, list(t, e, store.ListRequest{Limit: 1, MaxBytes: 100}).Entries[0], time.Hour)
		wantLeft(t, wantEvent(t, w, store.Put, "k", "v").Entry, time.Hour)
		wantLeft(t, do(t, e, touch("k", time.Minute)).Entry, time.Minute)
		if touched := do(t, e, touch("k", 0)).Entry; touched.TTL != 0 {
			t.Fatalf("an entry that never expires has the TTL %v, want 0", touched.TTL)
		}
	}},
	{"no version is used twice", func(t T, e store.Engine) {
		seen := map[store.Version]bool{}
		for _, op := range []store.Operation{
			set("k", "1"), set("k", "1"), set("l", "1"), touch("k", 0), increment("k", 0), set("l", "1"),
		} {
			wantFresh(t, seen, do(t, e, op).Entry.Version)
		}
		do(t, e, del("k"))
		wantFresh(t, seen, do(t, e, set("k", "1")).Entry.Version)
	}},
	{"an entry that was read does not change afterwards", func(t T, e store.Engine) {
		do(t, e, set("k", "old"))
		read := do(t, e, get("k")).Entry
		do(t, e, set("k", "new"))
		do(t, e, del("k"))
		if string(read.Value) != "old" || read.Key != "k" {
			t.Fatalf("the entry that was read is now %q = %q", read.Key, read.Value)
		}
	}},
}

// wantMissing checks that the result of op has no entry.
func wantMissing(t T, op store.Operation, got store.Result) {
	t.Helper()
	if err := wantNone(op, got.Entry); err != nil {
		t.Fatalf("%v", err)
	}
}

// wantChanged performs op and checks whether it reports that it created or removed the key.
func wantChanged(t T, e store.Engine, op store.Operation, want bool) {
	t.Helper()
	if got := do(t, e, op).Changed; got != want {
		t.Fatalf("%s: changed is %t, want %t", describe(op), got, want)
	}
}

// wantFresh checks that a version is new, and records it.
func wantFresh(t T, seen map[store.Version]bool, v store.Version) {
	t.Helper()
	if v == (store.Version{}) || seen[v] {
		t.Fatalf("version %v was used before", v)
	}
	seen[v] = true
}

// wantLeft checks that an entry has all or a little less than ttl left.
func wantLeft(t T, entry store.Entry, ttl time.Duration) {
	t.Helper()
	if entry.TTL <= ttl/2 || entry.TTL > ttl+time.Second {
		t.Fatalf("the entry has the TTL %v, want what is left of %v", entry.TTL, ttl)
	}
}

// wantForever checks that an entry never expires.
func wantForever(t T, entry store.Entry) {
	t.Helper()
	if !entry.ExpireTime.IsZero() || entry.TTL != 0 {
		t.Fatalf("the entry expires at %v, in %v, want never", entry.ExpireTime, entry.TTL)
	}
}

// wantSame checks that two descriptions of an entry agree except for the value.
func wantSame(t T, got, want store.Entry) {
	t.Helper()
	if got.Key != want.Key || got.Version != want.Version || !got.UpdateTime.Equal(want.UpdateTime) ||
		!got.ExpireTime.Equal(want.ExpireTime) {
		t.Fatalf("entry is %+v, want %+v", got, want)
	}
}

var incrementChecks = []Check{
	{"increment starts from its initial value and stores decimal text", func(t T, e store.Engine) {
		op := increment("n", 5)
		op.Initial = -7
		wantSum(t, e, op, -2)
		wantSum(t, e, op, 3)
		wantValue(t, e, "n", "3")
	}},
	{"increment by zero makes a new version of the same number", func(t T, e store.Engine) {
		before := do(t, e, set("n", "41")).Entry.Version
		wantSum(t, e, increment("n", 0), 41)
		if wantValue(t, e, "n", "41").Version == before {
			t.Fatalf("increment by zero kept version %v", before)
		}
	}},
	{"increment reaches both ends of the range and fails with ErrOverflow beyond", func(t T, e store.Engine) {
		for _, c := range []struct{ from, delta, last int64 }{
			{math.MaxInt64 - 1, 1, math.MaxInt64}, {math.MinInt64 + 1, -1, math.MinInt64},
			{math.MaxInt64, 0, math.MaxInt64},
		} {
			do(t, e, set("n", strconv.FormatInt(c.from, 10)))
			wantSum(t, e, increment("n", c.delta), c.last)
			if c.delta != 0 {
				wantErr(t, e, increment("n", c.delta), store.ErrOverflow)
			}
			wantValue(t, e, "n", strconv.FormatInt(c.last, 10))
		}
	}},
	{"increment of a new key fails with ErrOverflow if initial plus delta overflows", func(t T, e store.Engine) {
		op := increment("n", 1)
		op.Initial = math.MaxInt64
		wantErr(t, e, op, store.ErrOverflow)
		wantErr(t, e, get("n"), store.ErrNotFound)
	}},
	{"increment of anything but an integer fails with ErrNotInteger and changes nothing", func(t T, e store.Engine) {
		for _, text := range []string{
			"", "x", "1.5", "1e3", " 1", "1 ", "0x10", "--1", "9223372036854775808", "-9223372036854775809",
		} {
			before := do(t, e, set("n", text)).Entry
			wantErr(t, e, increment("n", 1), store.ErrNotInteger)
			wantSame(t, wantValue(t, e, "n", text), before)
		}
	}},
	{"increment applies its TTL only to an entry that it creates", func(t T, e store.Engine) {
		op := increment("n", 1)
		op.TTL = time.Hour
		created := do(t, e, op).Entry
		if created.ExpireTime.IsZero() {
			t.Fatalf("the entry does not expire: %+v", created)
		}
		op.TTL = 2 * time.Hour
		if again := do(t, e, op).Entry; !again.ExpireTime.Equal(created.ExpireTime) {
			t.Fatalf("the entry expires at %v, want %v as before", again.ExpireTime, created.ExpireTime)
		}
		do(t, e, set("n", "1"))
		if again := do(t, e, op).Entry; !again.ExpireTime.IsZero() {
			t.Fatalf("the entry expires at %v, want never", again.ExpireTime)
		}
	}},
	{"none of a thousand concurrent increments is lost", func(t T, e store.Engine) {
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() {
				if _, err := e.Do(t.Context(), increment("n", 1)); err != nil {
					t.Errorf("increment: %v", err)
				}
			})
		}
		all.Wait()
		wantValue(t, e, "n", "1000")
	}},
}

// wantSum performs an increment and checks its sum.
func wantSum(t T, e store.Engine, op store.Operation, want int64) {
	t.Helper()
	result := do(t, e, op)
	if result.Sum != want {
		t.Fatalf("%s = %d, want %d", describe(op), result.Sum, want)
	}
	wantSame(t, result.Entry, wantValue(t, e, op.Key, strconv.FormatInt(want, 10)))
}
