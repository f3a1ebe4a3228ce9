package cache_test

import (
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"key-value/client"
	"key-value/client/cache"
	"key-value/internal/testkit/cutproxy"
	"key-value/internal/testkit/wiretest"
	"key-value/kvservice/store/memory"
)

// A new snapshot takes a while. Readers see what was there before, and then all of it, and GetFresh is ahead of both.
func TestANewSnapshotIsVisibleAsAWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := memory.New(memory.Options{HistoryBytes: 2_000})
		t.Cleanup(func() { _ = engine.Close() })
		web := wiretest.ServeHTTP2InBubble(t, handle(engine))
		direct := dial(t, "http://pipes", client.WithHTTPClient(web))
		slow := &steps{next: web.Transport, step: make(chan struct{})}
		wire := &cable{next: slow}
		wire.replug()
		keys := []string{"a", "b", "c", "d"}
		for _, key := range keys {
			set(t, direct, key, "1")
		}
		c := open(t, dial(t, "http://pipes", client.WithHTTPClient(&http.Client{Transport: wire})))
		changes := record(c)

		wire.unplug()
		for range 20 { // more than the history keeps
			for _, key := range keys[:3] {
				set(t, direct, key, "2")
			}
		}
		remove(t, direct, "d")
		slow.left.Store(2) // the first one is told that its changes are no longer kept
		wire.replug()
		time.Sleep(10 * time.Second) // the store has sent the snapshot, which waits to be read
		synctest.Wait()
		last := set(t, direct, "a", "3").Revision
		if entry, err := c.GetFresh(t.Context(), "a"); err != nil || string(entry.Value) != "3" {
			t.Fatalf("GetFresh(a) = %q, %v; want 3", entry.Value, err)
		}
		for steps := 0; c.Revision() < last; steps++ {
			var got []string
			for entry := range c.Range("") {
				got = append(got, entry.Key+string(entry.Value))
			}
			if !slices.Equal(got, []string{"a3", "b1", "c1", "d1"}) && !slices.Equal(got, []string{"a3", "b2", "c2"}) {
				t.Fatalf("after %d steps, the cache has %q", steps, got)
			}
			slow.step <- struct{}{}
			synctest.Wait()
		}
		changes.wantAnyOrder(t, "a=3", "b=2", "c=2", "d")
		close(slow.step)
	})
}

// A key that was read on demand before changes were missed is not kept.
func TestOnDemandNothingIsKeptFromBeforeAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := memory.New(memory.Options{HistoryBytes: 1})
		t.Cleanup(func() { _ = engine.Close() })
		web := wiretest.ServeHTTP2InBubble(t, handle(engine))
		direct := dial(t, "http://pipes", client.WithHTTPClient(web))
		wire := &cable{next: web.Transport}
		wire.replug()
		set(t, direct, "a", "1")
		c := open(t, dial(t, "http://pipes", client.WithHTTPClient(&http.Client{Transport: wire})), cache.OnDemand(10_000))
		fetch(t, c, "a")
		changes := record(c)
		wire.unplug()
		for _, value := range []string{"2", "3"} {
			set(t, direct, "a", value)
		}
		time.Sleep(time.Minute)
		wantValue(t, c, "a", "1") // as far as the cache knows
		wire.replug()
		time.Sleep(time.Minute)
		wantNone(t, c, "a")
		changes.want(t, "a")
		if got := fetch(t, c, "a"); got != "3" {
			t.Errorf("Fetch(a) = %q, want 3", got)
		}
	})
}

// A store that restarts without its data has other entries, and its tokens mean nothing to another engine.
func TestACacheFollowsAnotherStore(t *testing.T) {
	t.Parallel()
	before, after := newEngine(t), newEngine(t)
	first, second := serve(t, before), serve(t, after)
	set(t, dial(t, first), "a", "1")
	set(t, dial(t, first), "b", "1")
	set(t, dial(t, second), "b", "2")
	p := cutproxy.New(t, first, cutproxy.Unlimited)
	c := open(t, dial(t, p.URL))
	changes := record(c)
	p.Point(second)
	eventually(t, "the cache has the entries of the other store", func() bool {
		entry, ok := c.Get("b")
		return ok && string(entry.Value) == "2"
	})
	wantNone(t, c, "a")
	waitRevision(t, c, set(t, dial(t, second), "c", "2").Revision)
	wantValue(t, c, "c", "2")
	changes.wait(t, "c=2")
	if err := c.Err(); err != nil {
		t.Errorf("Err = %v when the cache is up to date", err)
	}
}
