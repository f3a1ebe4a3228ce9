package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"key-value/kvservice/store"
)

var watchChecks = []Check{
	{"a watch begins with a token and delivers every change to its prefix in order", func(t T, e store.Engine) {
		do(t, e, set("a/old", "before"))
		w := open(t, e, store.WatchRequest{Prefix: "a/"})
		defer w.Close()
		if event := wantEvent(t, w, store.Sync, "", ""); event.Token == "" {
			t.Fatalf("sync has no token")
		}
		for _, op := range []store.Operation{
			set("a/1", "x"), set("b/1", "no"), set("a", "no"), touch("a/1", time.Hour), increment("a/n", 2),
			del("a/nope"), del("a/1"), set("a/2", "y"),
		} {
			do(t, e, op)
		}
		wantEvent(t, w, store.Put, "a/1", "x")
		if event := wantEvent(t, w, store.Touched, "a/1", ""); event.Entry.ExpireTime.IsZero() {
			t.Fatalf("the event of a touch has no expire time")
		}
		wantEvent(t, w, store.Put, "a/n", "2")
		wantEvent(t, w, store.Deleted, "a/1", "")
		wantEvent(t, w, store.Put, "a/2", "y")
	}},
	{"a watch of one key delivers no changes to others", func(t T, e store.Engine) {
		w := open(t, e, store.WatchRequest{Key: "k"})
		defer w.Close()
		wantEvent(t, w, store.Sync, "", "")
		for _, key := range []string{"k1", "k", "j", "k/", "k"} {
			do(t, e, set(key, key))
		}
		wantEvent(t, w, store.Put, "k", "k")
		wantEvent(t, w, store.Put, "k", "k")
		do(t, e, del("k"))
		wantEvent(t, w, store.Deleted, "k", "")
	}},
	{"the event of a write has the same entry as a get", func(t T, e store.Engine) {
		w := open(t, e, store.WatchRequest{Key: "k"})
		defer w.Close()
		wantEvent(t, w, store.Sync, "", "")
		do(t, e, setFor("k", "v", time.Hour))
		wantSame(t, wantEvent(t, w, store.Put, "k", "v").Entry, wantValue(t, e, "k", "v"))
	}},
	{"the event of a touch has the same entry as a get, without the value", func(t T, e store.Engine) {
		do(t, e, set("k", "v"))
		w := open(t, e, store.WatchRequest{Key: "k"})
		defer w.Close()
		wantEvent(t, w, store.Sync, "", "")
		for _, ttl := range []time.Duration{time.Hour, 0} {
			do(t, e, touch("k", ttl))
			event := wantEvent(t, w, store.Touched, "k", "")
			if event.Entry.Value != nil || event.Revision != event.Entry.Version.Revision {
				t.Fatalf("%s has the value %q and revision %d, want none and %d",
					describeEvent(event), event.Entry.Value, event.Revision, event.Entry.Version.Revision)
			}
			wantSame(t, event.Entry, wantValue(t, e, "k", "v"))
		}
	}},
	{"touches of a large value do not push other changes out of the history", func(t T, e store.Engine) {
		do(t, e, set("large", strings.Repeat("v", 1<<20)))
		w := open(t, e, store.WatchRequest{})
		token := wantEvent(t, w, store.Sync, "", "").Token
		w.Close()
		const touches = 20
		for range touches {
			do(t, e, touch("large", time.Hour))
		}
		do(t, e, set("other", "v"))
		again := open(t, e, store.WatchRequest{Resume: token})
		defer again.Close()
		for range touches {
			wantEvent(t, again, store.Touched, "large", "")
		}
		wantEvent(t, again, store.Put, "other", "v")
	}},
	{"a failed operation is not a change", func(t T, e store.Engine) {
		do(t, e, set("k", "x"))
		w := open(t, e, store.WatchRequest{})
		defer w.Close()
		wantEvent(t, w, store.Sync, "", "")
		wantErr(t, e, increment("k", 1), store.ErrNotInteger)
		wantErr(t, e, touch("nope", 0), store.ErrNotFound)
		wantErr(t, e, conditional(set("k", "y"), store.IfAbsent()), store.ErrExists)
		do(t, e, del("nope"))
		do(t, e, set("end", ""))
		wantEvent(t, w, store.Put, "end", "")
	}},
	{"a snapshot has what exists, and changes follow it", func(t T, e store.Engine) {
		for _, key := range []string{"a/2", "b", "a/1", "a/3", "a"} {
			do(t, e, set(key, "v"+key))
		}
		do(t, e, del("a/2"))
		w := open(t, e, store.WatchRequest{Prefix: "a/", Snapshot: true})
		defer w.Close()
		var entries []store.Entry
		for range 2 {
			event := next(t, w)
			if event.Type != store.Put || event.Token != "" {
				t.Fatalf("the snapshot has %s with token %q, want none", describeEvent(event), event.Token)
			}
			wantSame(t, event.Entry, wantValue(t, e, event.Entry.Key, string(event.Entry.Value)))
			entries = append(entries, event.Entry)
		}
		slices.SortFunc(entries, func(a, b store.Entry) int { return strings.Compare(a.Key, b.Key) })
		wantKeys(t, entries, "a/1", "a/3")
		if event := wantEvent(t, w, store.Sync, "", ""); event.Token == "" {
			t.Fatalf("sync has no token")
		}
		do(t, e, set("a/4", "later"))
		wantEvent(t, w, store.Put, "a/4", "later")
	}},
	{"a snapshot of one key has that key or nothing", func(t T, e store.Engine) {
		do(t, e, set("k", "v"))
		do(t, e, set("k2", "v"))
		w := open(t, e, store.WatchRequest{Key: "k", Snapshot: true})
		defer w.Close()
		wantEvent(t, w, store.Put, "k", "v")
		wantEvent(t, w, store.Sync, "", "")
		none := open(t, e, store.WatchRequest{Key: "nope", Snapshot: true})
		defer none.Close()
		wantEvent(t, none, store.Sync, "", "")
	}},
	{"every token resumes right after its event", func(t T, e store.Engine) {
		w := open(t, e, store.WatchRequest{Prefix: "k"})
		defer w.Close()
		tokens := []string{wantEvent(t, w, store.Sync, "", "").Token}
		for i := range 10 {
			do(t, e, set("k", fmt.Sprint(i)))
			do(t, e, set("other", fmt.Sprint(i)))
			tokens = append(tokens, wantEvent(t, w, store.Put, "k", fmt.Sprint(i)).Token)
		}
		for from, token := range tokens {
			again := open(t, e, store.WatchRequest{Prefix: "k", Resume: token})
			for i := from; i < 10; i++ {
				if event := wantEvent(t, again, store.Put, "k", fmt.Sprint(i)); event.Token != tokens[i+1] {
					t.Fatalf("event %d has token %q, want %q as before", i, event.Token, tokens[i+1])
				}
			}
			again.Close()
		}
	}},
	{"a token outlives the watch, and changes made in the meantime are delivered", func(t T, e store.Engine) {
		w := open(t, e, store.WatchRequest{})
		token := wantEvent(t, w, store.Sync, "", "").Token
		w.Close()
		do(t, e, set("a", "1"))
		do(t, e, del("a"))
		again := open(t, e, store.WatchRequest{Resume: token})
		defer again.Close()
		wantEvent(t, again, store.Put, "a", "1")
		wantEvent(t, again, store.Deleted, "a", "")
	}},
	{"a watch that resumes gets a sync after the changes that it missed, before later ones", func(t T, e store.Engine) {
		for _, target := range []store.WatchRequest{{Key: "k"}, {Prefix: "k"}, {}} {
			w := open(t, e, target)
			began := wantEvent(t, w, store.Sync, "", "").Token
			w.Close()
			do(t, e, set("k", "missed"))
			do(t, e, set("l", "missed"))
			resume := func(token string) store.Watcher {
				request := target
				request.Resume = token
				return open(t, e, request)
			}
			again := resume(began)
			do(t, e, set("k", "later"))
			wantEvent(t, again, store.Put, "k", "missed")
			if target.Target().Matches("l") {
				wantEvent(t, again, store.Put, "l", "missed")
			}
			synced := wantEvent(t, again, store.Sync, "", "").Token
			later := wantEvent(t, again, store.Put, "k", "later").Token
			again.Close()
			fromSync := resume(synced) // it has missed the later one
			wantEvent(t, fromSync, store.Put, "k", "later")
			wantEvent(t, fromSync, store.Sync, "", "")
			fromSync.Close()
			nothing := resume(later)
			do(t, e, del("k"))
			wantEvent(t, nothing, store.Sync, "", "")
			wantEvent(t, nothing, store.Deleted, "k", "")
			nothing.Close()
		}
	}},
	{"an invalid token is rejected with ErrTokenInvalid", func(t T, e store.Engine) {
		w := open(t, e, store.WatchRequest{})
		defer w.Close()
		token := wantEvent(t, w, store.Sync, "", "").Token
		for _, bad := range []string{"x", "-", token + "x!", token + " ", "-" + token, "🙂", token + token} {
			if _, err := e.Watch(t.Context(), store.WatchRequest{Resume: bad}); !errors.Is(err, store.ErrTokenInvalid) {
				t.Fatalf("watch from token %q = %v, want ErrTokenInvalid", bad, err)
			}
		}
	}},
	{"Next returns the error of its context and can be called again", func(t T, e store.Engine) {
		w := open(t, e, store.WatchRequest{})
		defer w.Close()
		wantEvent(t, w, store.Sync, "", "")
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if event, err := w.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("next = %s, %v, want DeadlineExceeded", describeEvent(event), err)
		}
		do(t, e, set("k", "v"))
		wantEvent(t, w, store.Put, "k", "v")
	}},
	{"a waiting watch is woken by the next change", func(t T, e store.Engine) {
		w := open(t, e, store.WatchRequest{Key: "k"})
		defer w.Close()
		wantEvent(t, w, store.Sync, "", "")
		for i := range 20 {
			var writer sync.WaitGroup
			writer.Go(func() { _, _ = e.Do(t.Context(), set("k", fmt.Sprint(i))) })
			wantEvent(t, w, store.Put, "k", fmt.Sprint(i))
			writer.Wait()
		}
	}},
	{"a hundred watches of one key all deliver every change", func(t T, e store.Engine) {
		const watches, changes = 100, 50
		var all sync.WaitGroup
		for range watches {
			w := open(t, e, store.WatchRequest{Key: "k"})
			wantEvent(t, w, store.Sync, "", "")
			all.Go(func() {
				defer w.Close()
				wantInOrder(t, w, changes)
			})
		}
		for i := range changes {
			do(t, e, set("k", fmt.Sprint(i)))
		}
		all.Wait()
	}},
	{"closing the store ends its watches with ErrClosed", func(t T, e store.Engine) {
		w := open(t, e, store.WatchRequest{})
		defer w.Close()
		wantEvent(t, w, store.Sync, "", "")
		var closing sync.WaitGroup
		closing.Go(func() { _ = e.Close() })
		defer closing.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if _, err := w.Next(ctx); !errors.Is(err, store.ErrClosed) {
			t.Fatalf("next = %v, want ErrClosed", err)
		}
	}},
}

// wantInOrder checks that the next events of w are writes of the numbers from 0 up. It may be called outside the
// test's goroutine.
func wantInOrder(t T, w store.Watcher, changes int) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for i := range changes {
		if event, err := w.Next(ctx); err != nil || string(event.Entry.Value) != fmt.Sprint(i) {
			t.Errorf("event %d is %s, %v", i, describeEvent(event), err)
			return
		}
	}
}
