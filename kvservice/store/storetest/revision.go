package storetest

import (
	"time"

	"key-value/kvservice/store"
)

var revisionChecks = []Check{
	{"the revision grows with every write, of any kind and key", func(t T, e store.Engine) {
		checkGrowth(t, e, 0)
	}},
	{"a write that changes nothing has no revision", func(t T, e store.Engine) {
		if got := do(t, e, del("nope")).Revision; got != 0 {
			t.Fatalf("deleting nothing has revision %d, want 0", got)
		}
	}},
	{"every event has the revision of its change", func(t T, e store.Engine) {
		w := open(t, e, store.WatchRequest{})
		defer w.Close()
		wantEvent(t, w, store.Sync, "", "")
		for _, op := range []store.Operation{set("k", "1"), increment("k", 1), touch("k", 0), del("k")} {
			want := revisionOf(do(t, e, op))
			wantRevision(t, next(t, w), typeOf(op), want)
		}
		last := revisionOf(do(t, e, setFor("k", "v", time.Millisecond)))
		wantRevision(t, next(t, w), store.Put, last)
		gone := next(t, w)
		if gone.Type != store.Expired || gone.Revision <= last {
			t.Fatalf("%s has revision %d, want an expiry with one above %d", describeEvent(gone), gone.Revision, last)
		}
		if again := revisionOf(do(t, e, set("k", "v"))); again <= gone.Revision {
			t.Fatalf("the write after the expiry with revision %d has revision %d", gone.Revision, again)
		}
	}},
	{"a snapshot has the revisions of its entries", func(t T, e store.Engine) {
		want := revisionOf(do(t, e, set("k", "v")))
		w := open(t, e, store.WatchRequest{Snapshot: true})
		defer w.Close()
		wantRevision(t, next(t, w), store.Put, want)
	}},
	{"a sync has a revision that all earlier changes have reached, and no later one", func(t T, e store.Engine) {
		for _, request := range []store.WatchRequest{
			{}, {Snapshot: true}, {Key: "a"}, {Key: "a", Snapshot: true}, {Prefix: "a"}, {Prefix: "a", Snapshot: true},
		} {
			do(t, e, set("a", "1"))
			before := revisionOf(do(t, e, del("a"))) // of which a snapshot shows nothing
			w := open(t, e, request)
			sync, after := next(t, w), revisionOf(do(t, e, set("a", "2")))
			w.Close()
			if sync.Type != store.Sync || sync.Revision < before || sync.Revision >= after {
				t.Fatalf("%+v: %s has revision %d, want one from %d, of the deletion before it, and below %d, of the write after it",
					request, describeEvent(sync), sync.Revision, before, after)
			}
			do(t, e, del("a"))
		}
	}},
}

// CheckRestart tests that revisions go on growing in the engine that restart returns, which replaces e. All that was
// written may be gone.
func CheckRestart(t T, e store.Engine, restart func() store.Engine) {
	t.Helper()
	last := checkGrowth(t, e, 0)
	checkGrowth(t, restart(), last)
}

// checkGrowth checks that writes of all kinds have revisions above last, each above the one before it, and returns the
// last one. The keys it writes are gone afterwards.
func checkGrowth(t T, e store.Engine, last uint64) uint64 {
	t.Helper()
	grow := func(op store.Operation, result store.Result) {
		t.Helper()
		revision := revisionOf(result)
		if revision <= last {
			t.Fatalf("%s has revision %d, want one above %d", describe(op), revision, last)
		}
		last = revision
	}
	in := colocated("revision")
	writes := []store.Operation{
		set(in+"a", "1"), set(in+"a", "1"), set(in+"b", "1"), touch(in+"a", time.Hour), increment(in+"b", 0), del(in + "a"),
		set(in+"a", "2"), del(in + "b"), del(in + "a"),
	}
	for _, op := range writes {
		grow(op, do(t, e, op))
	}
	for _, key := range []string{"x", "y", "z", "x", "y", "z"} { // in other shards, if there are any
		grow(set(key, ""), do(t, e, set(key, "")))
	}
	for _, key := range []string{"x", "y", "z"} {
		grow(del(key), do(t, e, del(key)))
	}
	for _, atomic := range []bool{false, true} {
		results, err := e.Batch(t.Context(), writes, atomic)
		if err != nil {
			t.Fatalf("batch: %v", err)
		}
		for i, op := range writes {
			grow(op, results[i])
		}
	}
	return last
}

// revisionOf returns the revision of a write.
func revisionOf(result store.Result) uint64 {
	return max(result.Revision, result.Entry.Version.Revision)
}

// typeOf returns the type of the event of a write.
func typeOf(op store.Operation) store.EventType {
	switch op.Kind {
	case store.Delete:
		return store.Deleted
	case store.Touch:
		return store.Touched
	}
	return store.Put
}

// wantRevision checks the type and revision of an event, and that its entry, if it has one, is of that revision.
func wantRevision(t T, event store.Event, kind store.EventType, revision uint64) {
	t.Helper()
	if event.Type != kind || event.Revision != revision || kind == store.Put && event.Entry.Version.Revision != revision {
		t.Fatalf("%s has revision %d and version %v, want %s with revision %d",
			describeEvent(event), event.Revision, event.Entry.Version, eventNames[kind], revision)
	}
}
