package cache_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"key-value/client"
	"key-value/client/cache"
	"key-value/client/clienttest"
)

// These tests run on a fake clock, to the nanosecond.

func TestAnEntryExpiresAtTheInstantInTheCacheToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := clienttest.New(t).Client
		set(t, kv, "before", "1", client.TTL(time.Minute)) // comes with the snapshot
		c := open(t, kv)
		changes := record(c)
		waitRevision(t, c, set(t, kv, "after", "1", client.TTL(time.Minute)).Revision) // comes as an event
		synctest.Wait()
		changes.want(t, "after=1")
		time.Sleep(time.Minute - time.Nanosecond)
		for _, key := range []string{"before", "after"} {
			if entry := wantValue(t, c, key, "1"); entry.TTL != 1 {
				t.Errorf("a nanosecond before its deadline, %s has a TTL of %v", key, entry.TTL)
			}
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		wantNone(t, c, "before")
		wantNone(t, c, "after")
		for entry := range c.Range("") {
			t.Errorf("Range yields %s after its deadline", entry.Key)
		}
		changes.wantAnyOrder(t, "after", "before")
	})
}

// An entry expires without a word of the store.
func TestAnEntryExpiresWhileTheStoreIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		direct, kv, unplug := inBubble(t)
		set(t, direct, "a", "1", client.TTL(time.Minute))
		set(t, direct, "b", "1", client.TTL(time.Minute))
		c := open(t, kv)
		changes := record(c)
		unplug()
		time.Sleep(time.Minute - time.Nanosecond)
		wantValue(t, c, "a", "1")
		if _, err := direct.Touch(t.Context(), "b", client.TTL(time.Hour)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		wantNone(t, c, "a")
		wantNone(t, c, "b") // as far as the cache knows
		changes.wantAnyOrder(t, "a", "b")
		if err := c.Err(); !errors.Is(err, client.ErrUnavailable) {
			t.Errorf("Err = %v, want ErrUnavailable", err)
		}
	})
}

// The store may have given an entry more time, of which the cache hears late.
func TestATouchThatComesLateBringsTheEntryBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		direct, kv, unplug := inBubble(t)
		set(t, direct, "a", "1", client.TTL(time.Minute))
		c := open(t, kv)
		replug := unplug()
		touched, err := direct.Touch(t.Context(), "a", client.TTL(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		wantNone(t, c, "a")
		replug()
		waitRevision(t, c, touched.Revision)
		wantValue(t, c, "a", "1")
	})
}

func TestAgeSaysHowLongAgoTheStoreSaidSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, kv, unplug := inBubble(t)
		c := open(t, kv)
		for range 100 { // nothing changes, and the store says so every 15 s
			time.Sleep(time.Second)
			if age := c.Age(); age > 15*time.Second {
				t.Fatalf("Age = %v, want at most 15s", age)
			}
		}
		replug := unplug()
		time.Sleep(time.Minute)
		if age := c.Age(); age < time.Minute || age > 75*time.Second {
			t.Errorf("a minute after the connection is gone, Age = %v", age)
		}
		replug()
		time.Sleep(30 * time.Second)
		if age, err := c.Age(), c.Err(); age > 15*time.Second || err != nil {
			t.Errorf("when the connection is back, Age = %v and Err = %v", age, err)
		}
	})
}

// A revision of another key is reached with the next sync.
func TestWaitRevisionOfAnotherKeyTakesUntilTheNextSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := clienttest.New(t).Client
		c := open(t, kv, cache.Prefix("config/"))
		begun := time.Now()
		waitRevision(t, c, set(t, kv, "other", "1").Revision)
		if waited := time.Since(begun); waited != 15*time.Second {
			t.Errorf("WaitRevision takes %v, want 15s", waited)
		}
	})
}
