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
		refused(t, e, get("nope"), store.ErrNotFound)
	}},
	{"get returns what set wrote, byte for byte", func(t T, e store.Engine) {
		for _, value := range []string{"text", "", "\x00", "\xff\xfe\x00", strings.Repeat("v", 1<<20)} {
			do(t, e, set("k", value))
			holds(t, e, "k", value)
		}
	}},
	{"keys are told apart byte by byte", func(t T, e store.Engine) {
		keys := []string{"a", "A", "a/", "a//b", "a/b", "a%2Fb", "é", "e\u0301", strings.Repeat("k", 1024)}
		for _, key := range keys {
			do(t, e, set(key, "value of "+key))
		}
		for _, key := range keys {
			holds(t, e, key, "value of "+key)
		}
	}},
	{"set says whether it created the key", func(t T, e store.Engine) {
		wantChanged(t, e, set("k", "1"), true)
		wantChanged(t, e, set("k", "2"), false)
		do(t, e, del("k"))
		wantChanged(t, e, set("k", "3"), true)
	}},
	{"set returns the entry it wrote, without its value", func(t T, e store.Engine) {
		wrote := do(t, e, setFor("k", "v", time.Hour)).Entry
		if wrote.Value != nil {
			t.Fatalf("set returned the value %q", wrote.Value)
		}
		wantSame(t, wrote, holds(t, e, "k", "v"))
	}},
	{"delete says whether it removed an entry", func(t T, e store.Engine) {
		wantChanged(t, e, del("k"), false)
		do(t, e, set("k", "v"))
		wantChanged(t, e, del("k"), true)
		wantChanged(t, e, del("k"), false)
		refused(t, e, get("k"), store.ErrNotFound)
	}},
	{"delete leaves the keys beside it alone", func(t T, e store.Engine) {
		for _, key := range []string{"a", "ab", "b"} {
			do(t, e, set(key, key))
		}
		do(t, e, del("ab"))
		holds(t, e, "a", "a")
		holds(t, e, "b", "b")
	}},
	{"touch makes a new version with the same value", func(t T, e store.Engine) {
		before := do(t, e, set("k", "v")).Entry
		touched := do(t, e, touch("k", time.Hour)).Entry
		after := holds(t, e, "k", "v")
		wantSame(t, touched, after)
		if after.Version == before.Version || after.ExpireTime.IsZero() || touched.Value != nil {
			t.Fatalf("touch made %+v of %+v", touched, before)
		}
	}},
	{"touch without a TTL lets the entry live for ever", func(t T, e store.Engine) {
		do(t, e, setFor("k", "v", time.Hour))
		if touched := do(t, e, touch("k", 0)).Entry; !touched.ExpireTime.IsZero() {
			t.Fatalf("touched entry expires at %v", touched.ExpireTime)
		}
	}},
	{"touch fails with ErrNotFound for a key that is not there", func(t T, e store.Engine) {
		refused(t, e, touch("k", time.Hour), store.ErrNotFound)
		refused(t, e, get("k"), store.ErrNotFound)
	}},
	{"set without a TTL removes the one there was", func(t T, e store.Engine) {
		if wrote := do(t, e, setFor("k", "v", time.Hour)).Entry; wrote.ExpireTime.IsZero() {
			t.Fatalf("entry with a TTL does not expire: %+v", wrote)
		}
		if wrote := do(t, e, set("k", "v")).Entry; !wrote.ExpireTime.IsZero() {
			t.Fatalf("entry expires at %v", wrote.ExpireTime)
		}
	}},
	{"an entry expires its TTL after it was updated", func(t T, e store.Engine) {
		entry := do(t, e, setFor("k", "v", time.Hour)).Entry
		if ttl := entry.ExpireTime.Sub(entry.UpdateTime); ttl < time.Hour || ttl > time.Hour+time.Second {
			t.Fatalf("entry lives for %v, want 1h", ttl)
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
	{"an entry that was read does not change when its key does", func(t T, e store.Engine) {
		do(t, e, set("k", "old"))
		read := do(t, e, get("k")).Entry
		do(t, e, set("k", "new"))
		do(t, e, del("k"))
		if string(read.Value) != "old" || read.Key != "k" {
			t.Fatalf("the entry read is now %q = %q", read.Key, read.Value)
		}
	}},
}

// wantChanged carries out op and checks whether it says that it created or removed the key.
func wantChanged(t T, e store.Engine, op store.Operation, want bool) {
	t.Helper()
	if got := do(t, e, op).Changed; got != want {
		t.Fatalf("%s: changed is %t, want %t", describe(op), got, want)
	}
}

// wantFresh checks that a version is new, and remembers it.
func wantFresh(t T, seen map[store.Version]bool, v store.Version) {
	t.Helper()
	if v == (store.Version{}) || seen[v] {
		t.Fatalf("version %v came back", v)
	}
	seen[v] = true
}

// wantSame checks that two descriptions of an entry agree in all but its value.
func wantSame(t T, got, want store.Entry) {
	t.Helper()
	if got.Key != want.Key || got.Version != want.Version || !got.UpdateTime.Equal(want.UpdateTime) ||
		!got.ExpireTime.Equal(want.ExpireTime) {
		t.Fatalf("entry is described as %+v, and as %+v", got, want)
	}
}

var incrementChecks = []Check{
	{"increment starts from its initial value and stores decimal text", func(t T, e store.Engine) {
		op := increment("n", 5)
		op.Initial = -7
		wantSum(t, e, op, -2)
		wantSum(t, e, op, 3)
		holds(t, e, "n", "3")
	}},
	{"increment by zero makes a new version of the same number", func(t T, e store.Engine) {
		before := do(t, e, set("n", "41")).Entry.Version
		wantSum(t, e, increment("n", 0), 41)
		if holds(t, e, "n", "41").Version == before {
			t.Fatalf("increment by zero left version %v", before)
		}
	}},
	{"increment reaches both ends of the range and fails with ErrOverflow beyond them", func(t T, e store.Engine) {
		for _, c := range []struct{ from, delta, last int64 }{
			{math.MaxInt64 - 1, 1, math.MaxInt64}, {math.MinInt64 + 1, -1, math.MinInt64},
			{math.MaxInt64, 0, math.MaxInt64},
		} {
			do(t, e, set("n", strconv.FormatInt(c.from, 10)))
			wantSum(t, e, increment("n", c.delta), c.last)
			if c.delta != 0 {
				refused(t, e, increment("n", c.delta), store.ErrOverflow)
			}
			holds(t, e, "n", strconv.FormatInt(c.last, 10))
		}
	}},
	{"increment of a new key fails with ErrOverflow where initial and delta do not add up", func(t T, e store.Engine) {
		op := increment("n", 1)
		op.Initial = math.MaxInt64
		refused(t, e, op, store.ErrOverflow)
		refused(t, e, get("n"), store.ErrNotFound)
	}},
	{"increment fails with ErrNotInteger for anything but an integer and leaves it", func(t T, e store.Engine) {
		for _, text := range []string{
			"", "x", "1.5", "1e3", " 1", "1 ", "0x10", "--1", "9223372036854775808", "-9223372036854775809",
		} {
			before := do(t, e, set("n", text)).Entry
			refused(t, e, increment("n", 1), store.ErrNotInteger)
			wantSame(t, holds(t, e, "n", text), before)
		}
	}},
	{"increment gives its TTL to an entry that it creates and to no other", func(t T, e store.Engine) {
		op := increment("n", 1)
		op.TTL = time.Hour
		created := do(t, e, op).Entry
		if created.ExpireTime.IsZero() {
			t.Fatalf("entry does not expire: %+v", created)
		}
		op.TTL = 2 * time.Hour
		if again := do(t, e, op).Entry; !again.ExpireTime.Equal(created.ExpireTime) {
			t.Fatalf("entry expires at %v, want as before at %v", again.ExpireTime, created.ExpireTime)
		}
		do(t, e, set("n", "1"))
		if again := do(t, e, op).Entry; !again.ExpireTime.IsZero() {
			t.Fatalf("entry without a TTL now expires at %v", again.ExpireTime)
		}
	}},
	{"no increment is lost among a thousand at once", func(t T, e store.Engine) {
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() {
				if _, err := e.Do(t.Context(), increment("n", 1)); err != nil {
					t.Errorf("increment: %v", err)
				}
			})
		}
		all.Wait()
		holds(t, e, "n", "1000")
	}},
}

// wantSum carries out an increment and checks its sum.
func wantSum(t T, e store.Engine, op store.Operation, want int64) {
	t.Helper()
	result := do(t, e, op)
	if result.Sum != want {
		t.Fatalf("%s = %d, want %d", describe(op), result.Sum, want)
	}
	wantSame(t, result.Entry, holds(t, e, op.Key, strconv.FormatInt(want, 10)))
}
