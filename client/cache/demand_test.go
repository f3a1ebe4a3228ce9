package cache_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"key-value/client"
	"key-value/client/cache"
	"key-value/client/clienttest"
)

// reads returns how many reads the store has answered.
func reads(t testing.TB, kv *client.Client) int64 {
	t.Helper()
	stats, err := kv.Stats(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	return stats.Hits + stats.Misses
}

// fetch returns the value of key, or "none".
func fetch(t testing.TB, c *cache.Cache, key string) string {
	t.Helper()
	entry, err := c.Fetch(bounded(t), key)
	if errors.Is(err, client.ErrNotFound) {
		return "none"
	}
	if err != nil {
		t.Fatalf("Fetch(%s) = %v", key, err)
	}
	return string(entry.Value)
}

func TestOnDemandAKeyIsReadOnceAndKeptUpToDate(t *testing.T) {
	t.Parallel()
	kv := clienttest.New(t).Client
	set(t, kv, "a", "1")
	set(t, kv, "b", "1")
	c := open(t, kv, cache.OnDemand(10_000))
	wantNone(t, c, "a")
	before := reads(t, kv)
	for range 10 {
		if got := fetch(t, c, "a"); got != "1" {
			t.Fatalf("Fetch(a) = %q, want 1", got)
		}
	}
	wantValue(t, c, "a", "1")
	wantNone(t, c, "b")
	waitRevision(t, c, set(t, kv, "a", "2").Revision)
	wantValue(t, c, "a", "2")
	if n := reads(t, kv) - before; n != 1 {
		t.Errorf("the store was asked %d times for a, want once", n)
	}
	for entry := range c.Range("") {
		if entry.Key != "a" {
			t.Errorf("Range yields %s, which was not asked for", entry.Key)
		}
	}
}

func TestOnDemandAnAbsenceIsKeptToo(t *testing.T) {
	t.Parallel()
	kv := clienttest.New(t).Client
	c := open(t, kv, cache.OnDemand(10_000))
	if got := fetch(t, c, "a"); got != "none" {
		t.Fatalf("Fetch(a) = %q, want none", got)
	}
	before := reads(t, kv)
	for range 10 {
		fetch(t, c, "a")
	}
	if n := reads(t, kv) - before; n != 0 {
		t.Errorf("the store was asked %d times again for a key that does not exist", n)
	}
	waitRevision(t, c, set(t, kv, "a", "1").Revision)
	wantValue(t, c, "a", "1")
	waitRevision(t, c, remove(t, kv, "a"))
	wantNone(t, c, "a")
	if got := fetch(t, c, "a"); got != "none" {
		t.Errorf("Fetch(a) = %q after it was deleted, want none", got)
	}
}

func TestTheBoundOfACacheHolds(t *testing.T) {
	t.Parallel()
	kv := clienttest.New(t).Client
	const each = 1000 + 3 + 256 // value, key, and what an item costs
	c := open(t, kv, cache.OnDemand(10*each))
	value := strings.Repeat("x", 1000)
	for i := range 100 {
		set(t, kv, fmt.Sprintf("%03d", i), value)
	}
	kept := func() (n int) {
		for range c.Range("") {
			n++
		}
		return n
	}
	for i := range 100 {
		fetch(t, c, fmt.Sprintf("%03d", i))
		c.Get("000") // which is thus never the one to go
		if n := kept(); n > 10 {
			t.Fatalf("the cache has %d entries in a bound for 10", n)
		}
	}
	if n := kept(); n != 10 {
		t.Errorf("the cache has %d entries in a bound for 10", n)
	}
	if _, ok := c.Get("000"); !ok {
		t.Error("the entry that was read all the time had to go")
	}

	// Values that grow make others go.
	waitRevision(t, c, set(t, kv, "099", strings.Repeat("x", 5000)).Revision)
	if n := kept(); n != 6 {
		t.Errorf("with one value of 5,000 bytes, the cache has %d entries, want 6", n)
	}
}

func TestAValueLargerThanTheBoundIsNotKept(t *testing.T) {
	t.Parallel()
	kv := clienttest.New(t).Client
	large := strings.Repeat("x", 10_000)
	set(t, kv, "small", "1")
	set(t, kv, "large", large)
	c := open(t, kv, cache.OnDemand(1_000))
	for range 3 {
		if got := fetch(t, c, "large"); got != large {
			t.Fatalf("Fetch(large) has %d bytes, want all", len(got))
		}
		wantNone(t, c, "large")
		fetch(t, c, "small")
	}
	wantValue(t, c, "small", "1") // nothing else had to go
	waitRevision(t, c, set(t, kv, "small", large).Revision)
	wantNone(t, c, "small")
	if got := fetch(t, c, "small"); got != large {
		t.Errorf("Fetch(small) has %d bytes, want all", len(got))
	}
}

func TestOnDemandOnlyChangesOfKeptKeysAreReported(t *testing.T) {
	t.Parallel()
	kv := clienttest.New(t).Client
	set(t, kv, "a", "1")
	c := open(t, kv, cache.OnDemand(10_000))
	r := record(c)
	fetch(t, c, "a")
	set(t, kv, "b", "1")
	set(t, kv, "a", "2")
	if calls := r.wait(t, "a=2"); len(calls) != 1 {
		t.Errorf("the callback was called with %q, want only the change of a", calls)
	}
}
