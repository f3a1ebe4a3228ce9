package storetest

import (
	"math"
	"strconv"
	"sync"
	"time"

	"key-value/kvservice/store"
)

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
