package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"key-value/kvservice/store"
)

// RunExact tests engines with a fake clock, to the nanosecond. The engines must keep time with package time and do
// nothing outside the goroutines they start. It closes the engines that open returns.
func RunExact(t *testing.T, open func() store.Engine) {
	for _, check := range ExactChecks() {
		t.Run(check.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := open()
				defer closeEngine(t, e)
				check.Run(t, e)
			})
		})
	}
	t.Run("sequential calls return what a map would, as time passes", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			rapid.SyncTest(t, func(t *rapid.T) {
				e := open()
				defer closeEngine(t, e)
				p := &driver{ctx: t.Context(), store: e, ttls: []time.Duration{0, 1, time.Microsecond, time.Second}}
				moves := p.moves()
				moves["wait"] = p.wait
				moves["count"] = func(t *rapid.T) { p.count(t, e) }
				t.Repeat(moves)
			})
		})
	})
}

func closeEngine(t rapid.TB, e store.Engine) {
	if err := e.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func (p *driver) wait(t *rapid.T) {
	time.Sleep(rapid.SampledFrom([]time.Duration{1, 999, time.Microsecond, time.Second - 1, time.Second}).Draw(t, "time"))
}

func (p *driver) count(t *rapid.T, e store.Engine) {
	stats, err := e.Stats(p.ctx)
	if want := int64(len(p.model.Keys())); err != nil || stats.Keys != want {
		t.Fatalf("stats count %d keys, want %d; %v", stats.Keys, want, err)
	}
}

// ttl is a TTL on the fake clock.
const ttl = time.Minute

// ExactChecks returns the checks of [RunExact], except its random part.
func ExactChecks() []Check { return exactChecks }

var exactChecks = []Check{
	{"an entry exists until a nanosecond before its deadline", func(t T, e store.Engine) {
		for _, lookup := range lookups {
			do(t, e, setFor(lookup.name, "1", ttl))
		}
		time.Sleep(ttl - 1)
		for _, lookup := range lookups {
			if !lookup.finds(t, e, lookup.name) {
				t.Fatalf("%s misses an entry a nanosecond before its deadline", lookup.name)
			}
		}
		for _, lookup := range lookups {
			do(t, e, setFor(lookup.name, "1", ttl))
		}
		time.Sleep(ttl)
		for _, lookup := range lookups {
			if lookup.finds(t, e, lookup.name) {
				t.Fatalf("%s finds an entry at its deadline", lookup.name)
			}
		}
	}},
	{"entries are counted until a nanosecond before their deadline", func(t T, e store.Engine) {
		for i := range 300 {
			do(t, e, setFor(fmt.Sprint(i), "v", ttl+time.Duration(i%2)))
		}
		for _, c := range []struct {
			sleep time.Duration
			want  int64
		}{{ttl - 1, 300}, {1, 150}, {1, 0}} {
			time.Sleep(c.sleep)
			if keys := statsOf(t, e).Keys; keys != c.want {
				t.Fatalf("stats count %d keys, want %d", keys, c.want)
			}
		}
		if got := statsOf(t, e).Expirations; got != 300 {
			t.Fatalf("stats count %d expirations, want 300", got)
		}
	}},
	{"an entry has its update and expire times", func(t T, e store.Engine) {
		time.Sleep(12345)
		entry := do(t, e, setFor("k", "v", ttl)).Entry
		if !entry.UpdateTime.Equal(time.Now()) || !entry.ExpireTime.Equal(time.Now().Add(ttl)) {
			t.Fatalf("the entry has update time %v and expire time %v, want %v and the TTL later", entry.UpdateTime, entry.ExpireTime, time.Now())
		}
	}},
	{"watches deliver an expiry at its instant", func(t T, e store.Engine) {
		w := open(t, e, store.WatchRequest{})
		defer w.Close()
		wantEvent(t, w, store.Sync, "", "")
		random := rand.New(rand.NewPCG(1, 2))
		ends := map[string]time.Time{}
		for i := range 200 {
			key, ttl := fmt.Sprint(i), time.Duration(1+random.IntN(int(time.Millisecond)))
			do(t, e, setFor(key, "v", ttl))
			ends[key] = time.Now().Add(ttl)
			wantEvent(t, w, store.Put, key, "v")
		}
		for range ends {
			event := next(t, w)
			if end := ends[event.Entry.Key]; event.Type != store.Expired || !end.Equal(time.Now()) {
				t.Fatalf("%s comes at %v, want %v", describeEvent(event), time.Now(), end)
			}
			delete(ends, event.Entry.Key)
		}
	}},
	{"a watch that is idle gets a sync in each interval, and a fresh token if other keys change", func(t T, e store.Engine) {
		w := open(t, e, store.WatchRequest{Key: "k"})
		defer w.Close()
		began := wantEvent(t, w, store.Sync, "", "").Token
		other := revisionOf(do(t, e, set("other", "v")))
		fresh := wantSyncInTime(t, w)
		if fresh.Token == began || fresh.Revision != other {
			t.Fatalf("the sync has token %q and revision %d, want another one than %q and revision %d, because another key has changed",
				fresh.Token, fresh.Revision, began, other)
		}
		for range 3 {
			wantSyncInTime(t, w)
		}
		again := open(t, e, store.WatchRequest{Key: "k", Resume: fresh.Token})
		defer again.Close()
		wantSyncAfter(t, again, 0)
		for range 3 {
			fresh = wantSyncInTime(t, again)
		}
		last := open(t, e, store.WatchRequest{Key: "k", Resume: fresh.Token})
		defer last.Close()
		wantSyncAfter(t, last, 0)
		do(t, e, set("k", "v"))
		wantEvent(t, w, store.Put, "k", "v")
		wantEvent(t, again, store.Put, "k", "v")
		wantEvent(t, last, store.Put, "k", "v")
	}},
	{"an expiry is one change, no matter which operation notices it first", func(t T, e store.Engine) {
		w := open(t, e, store.WatchRequest{Key: "k"})
		defer w.Close()
		wantEvent(t, w, store.Sync, "", "")
		for _, op := range []store.Operation{get("k"), set("k", "1"), increment("k", 1), touch("k", 0), del("k")} {
			do(t, e, setFor("k", "0", ttl))
			time.Sleep(ttl)
			_, err := e.Do(t.Context(), op)
			wantEvent(t, w, store.Put, "k", "0")
			wantEvent(t, w, store.Expired, "k", "")
			if op.Kind == store.Set || op.Kind == store.Increment {
				wantEvent(t, w, store.Put, "k", "1")
				wantChanged(t, e, del("k"), true)
				wantEvent(t, w, store.Deleted, "k", "")
			} else if op.Kind != store.Delete && !errors.Is(err, store.ErrNotFound) {
				t.Fatalf("%s at the deadline = %v, want ErrNotFound", describe(op), err)
			}
		}
	}},
	{"an entry that was rewritten or deleted does not expire at its old deadline", func(t T, e store.Engine) {
		do(t, e, setFor("set", "v", ttl))
		do(t, e, setFor("touched", "v", ttl))
		do(t, e, setFor("deleted", "v", ttl))
		w := open(t, e, store.WatchRequest{})
		defer w.Close()
		wantEvent(t, w, store.Sync, "", "")
		time.Sleep(ttl - 1)
		do(t, e, set("set", "w"))
		do(t, e, touch("touched", 2*ttl))
		do(t, e, del("deleted"))
		time.Sleep(2 * ttl)
		wantEvent(t, w, store.Put, "set", "w")
		wantEvent(t, w, store.Touched, "touched", "")
		wantEvent(t, w, store.Deleted, "deleted", "")
		wantEvent(t, w, store.Expired, "touched", "")
		wantValue(t, e, "set", "w")
	}},
	{"increment keeps the deadline", func(t T, e store.Engine) {
		do(t, e, setFor("n", "1", ttl))
		time.Sleep(ttl - 1)
		wantSum(t, e, increment("n", 1), 2)
		time.Sleep(time.Nanosecond)
		wantErr(t, e, get("n"), store.ErrNotFound)
	}},
	{"a snapshot at the deadline omits the entry, and its watch does not deliver the expiry", func(t T, e store.Engine) {
		do(t, e, setFor("k", "v", ttl))
		do(t, e, set("l", "v"))
		time.Sleep(ttl)
		w := open(t, e, store.WatchRequest{Snapshot: true})
		defer w.Close()
		wantEvent(t, w, store.Put, "l", "v")
		wantEvent(t, w, store.Sync, "", "")
		do(t, e, set("end", ""))
		wantEvent(t, w, store.Put, "end", "")
	}},
	{"the longest TTL is exact", func(t T, e store.Engine) {
		const years = 10 * 365 * 24 * time.Hour
		do(t, e, setFor("k", "v", years))
		time.Sleep(years - 1)
		wantValue(t, e, "k", "v")
		time.Sleep(time.Nanosecond)
		wantErr(t, e, get("k"), store.ErrNotFound)
	}},
}

// lookups are the ways to find out whether a key exists. Each uses its own key, because some change it.
var lookups = []struct {
	name  string
	finds func(t T, e store.Engine, key string) bool
}{
	{"get", succeeds(get)},
	{"touch", succeeds(func(key string) store.Operation { return touch(key, 1) })},
	{"delete if there is an entry", succeeds(func(key string) store.Operation { return conditional(del(key), store.IfExists()) })},
	{"set if there is an entry", succeeds(func(key string) store.Operation { return conditional(set(key, ""), store.IfExists()) })},
	{"increment", func(t T, e store.Engine, key string) bool { return do(t, e, increment(key, 1)).Sum == 2 }},
	{"list", func(t T, e store.Engine, key string) bool {
		return len(list(t, e, store.ListRequest{Prefix: key}).Entries) > 0
	}},
	{"get in an atomic batch", func(t T, e store.Engine, key string) bool {
		_, err := e.Batch(t.Context(), []store.Operation{get(key)}, true)
		return err == nil
	}},
	{"set if there is no entry", func(t T, e store.Engine, key string) bool {
		_, err := e.Do(t.Context(), conditional(set(key, ""), store.IfAbsent()))
		return err != nil
	}},
}

// succeeds returns a lookup that performs an operation and reports whether it succeeds.
func succeeds(op func(key string) store.Operation) func(T, store.Engine, string) bool {
	return func(t T, e store.Engine, key string) bool {
		_, err := e.Do(t.Context(), op(key))
		return err == nil
	}
}

// wantSyncInTime waits for an event of type Sync, which must come [store.SyncInterval] from now, and returns it.
func wantSyncInTime(t T, w store.Watcher) store.Event {
	t.Helper()
	return wantSyncAfter(t, w, store.SyncInterval)
}

func wantSyncAfter(t T, w store.Watcher, wait time.Duration) store.Event {
	t.Helper()
	start := time.Now()
	event := wantEvent(t, w, store.Sync, "", "")
	if took := time.Since(start); took != wait || event.Token == "" {
		t.Fatalf("an idle watch has a sync with token %q after %v, want one after %v", event.Token, took, wait)
	}
	return event
}
