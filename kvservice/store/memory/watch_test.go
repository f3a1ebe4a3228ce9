package memory_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"key-value/kvservice/store"
	"key-value/kvservice/store/memory"
)

func watch(t *testing.T, e *memory.Engine, req store.WatchRequest) store.Watcher {
	t.Helper()
	w, err := e.Watch(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

func next(t *testing.T, w store.Watcher) store.Event {
	t.Helper()
	event, err := w.Next(t.Context())
	if err != nil {
		t.Fatalf("next: %v", err)
	}
	return event
}

// small is the size of a history with room for a few dozen small changes.
const small = 4 << 10

// overrun writes more changes to key than a small history keeps.
func overrun(t *testing.T, e *memory.Engine, key string) {
	for range 200 {
		do(t, e, set(key, "v"))
	}
}

func TestResumeBeforeTheHistoryFails(t *testing.T) {
	e := open(t, memory.Options{HistoryBytes: small})
	token := next(t, watch(t, e, store.WatchRequest{})).Token
	do(t, e, set("k", "v"))
	if w := watch(t, e, store.WatchRequest{Resume: token}); next(t, w).Entry.Key != "k" {
		t.Fatal("the change was not delivered")
	}
	overrun(t, e, "k")
	if _, err := e.Watch(t.Context(), store.WatchRequest{Resume: token}); !errors.Is(err, store.ErrResumeTooOld) {
		t.Fatalf("watch = %v, want ErrResumeTooOld", err)
	}
}

func TestForeignTokensAreTooOldAndFutureTokensInvalid(t *testing.T) {
	e, other := open(t, memory.Options{}), open(t, memory.Options{})
	do(t, other, set("k", "v"))
	foreign := next(t, watch(t, other, store.WatchRequest{})).Token
	if _, err := e.Watch(t.Context(), store.WatchRequest{Resume: foreign}); !errors.Is(err, store.ErrResumeTooOld) {
		t.Errorf("watch from a token of another engine = %v, want ErrResumeTooOld", err)
	}
	v := do(t, e, set("k", "v")).Entry.Version
	v.Revision++
	if _, err := e.Watch(t.Context(), store.WatchRequest{Resume: v.String()}); !errors.Is(err, store.ErrTokenInvalid) {
		t.Errorf("watch from a future token = %v, want ErrTokenInvalid", err)
	}
}

func TestVersionsOfTwoEnginesDiffer(t *testing.T) {
	a := do(t, open(t, memory.Options{}), set("k", "v")).Entry.Version
	b := do(t, open(t, memory.Options{}), set("k", "v")).Entry.Version
	if a == b || a.Epoch == 0 || a.Epoch>>63 != 0 {
		t.Fatalf("two engines created versions %v and %v", a, b)
	}
}

func TestSlowWatchEndsWithoutAGap(t *testing.T) {
	e := open(t, memory.Options{HistoryBytes: small})
	w := watch(t, e, store.WatchRequest{})
	token := next(t, w).Token
	overrun(t, e, "k")
	for range 2 {
		if event, err := w.Next(t.Context()); !errors.Is(err, store.ErrResumeTooOld) {
			t.Fatalf("next = %+v, %v, want ErrResumeTooOld", event, err)
		}
	}
	if again := watch(t, e, store.WatchRequest{}); next(t, again).Token == token {
		t.Fatal("a new watch starts at the old token")
	}
}

func TestIdleWatchDoesNotFallBehindOtherKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := open(t, memory.Options{HistoryBytes: small})
		for _, req := range []store.WatchRequest{{Key: "mine/1"}, {Prefix: "mine/"}} {
			w := watch(t, e, req)
			next(t, w)
			do(t, e, set("mine/1", "first"))
			if got := string(next(t, w).Entry.Value); got != "first" {
				t.Fatalf("value is %q", got)
			}
			overrun(t, e, "other")
			do(t, e, set("mine/1", "second"))
			if got := string(next(t, w).Entry.Value); got != "second" {
				t.Fatalf("value is %q", got)
			}
			waiting := make(chan store.Event)
			go func() { waiting <- next(t, w) }()
			synctest.Wait()
			overrun(t, e, "other")
			do(t, e, set("mine/1", "third"))
			if got := string((<-waiting).Entry.Value); got != "third" {
				t.Fatalf("value is %q", got)
			}
			w.Close()
		}
	})
}

func TestSnapshotIsConsistent(t *testing.T) {
	e := open(t, memory.Options{})
	for i := range 1000 {
		do(t, e, set(fmt.Sprintf("k/%04d", i), "old"))
	}
	w := watch(t, e, store.WatchRequest{Prefix: "k/", Snapshot: true})
	for _, ops := range [][]store.Operation{{set("j", ""), get("nope")}, {set("j", "")}} {
		_, _ = e.Batch(t.Context(), ops, true)
	}
	for i := range 1000 {
		key := fmt.Sprintf("k/%04d", i)
		if i%2 == 0 {
			do(t, e, set(key, "new"))
		} else {
			do(t, e, store.Operation{Kind: store.Delete, Key: key})
		}
		do(t, e, set(key+"+", "new"))
	}
	for i := range 1000 {
		event := next(t, w)
		if want := fmt.Sprintf("k/%04d", i); event.Entry.Key != want || string(event.Entry.Value) != "old" {
			t.Fatalf("entry %d of the snapshot is %q = %q", i, event.Entry.Key, event.Entry.Value)
		}
	}
	if event := next(t, w); event.Type != store.Sync {
		t.Fatalf("after the snapshot: %+v, want sync", event)
	}
	for range 2000 {
		next(t, w)
	}
	if err := e.Verify(); err != nil {
		t.Fatal(err)
	}
}

func TestSlowSnapshotEnds(t *testing.T) {
	e := open(t, memory.Options{HistoryBytes: small})
	for i := range 1000 {
		do(t, e, set(fmt.Sprintf("k/%04d", i), "v"))
	}
	w := watch(t, e, store.WatchRequest{Snapshot: true})
	next(t, w)
	overrun(t, e, "k/0000")
	if event, err := w.Next(t.Context()); !errors.Is(err, store.ErrResumeTooOld) {
		t.Fatalf("next = %+v, %v, want ErrResumeTooOld", event, err)
	}
}

func TestHistoryKeepsAnOversizedChange(t *testing.T) {
	e := open(t, memory.Options{HistoryBytes: small})
	w := watch(t, e, store.WatchRequest{})
	next(t, w)
	do(t, e, set("k", strings.Repeat("v", 2*small)))
	if event := next(t, w); len(event.Entry.Value) != 2*small {
		t.Fatalf("event is %+v", event)
	}
}

func TestContextInterruptsNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := open(t, memory.Options{})
		w := watch(t, e, store.WatchRequest{})
		next(t, w)
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := w.Next(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Second {
			t.Fatalf("next = %v after %v, want DeadlineExceeded after 1s", err, time.Since(begin))
		}
	})
}

func TestGetAllocatesNothing(t *testing.T) {
	e := open(t, memory.Options{})
	do(t, e, set("k", "v"))
	if n := testing.AllocsPerRun(100, func() { do(t, e, get("k")) }); n != 0 {
		t.Fatalf("get allocates %v times", n)
	}
}

// noRoom is a store.Room without any memory until it is opened.
type noRoom struct {
	asked  chan int // the sizes that were asked for
	opened chan struct{}
}

func (c noRoom) Take(n int) bool { return false }

func (c noRoom) Wait(ctx context.Context, n int) error {
	c.asked <- n
	select {
	case <-c.opened:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestAWatchThatWaitsForMemoryKeepsNone(t *testing.T) {
	const watches, value = 50, 1 << 20
	for _, snapshot := range []bool{false, true} {
		e := open(t, memory.Options{HistoryBytes: value})
		room := noRoom{make(chan int), make(chan struct{})}
		before, over := heap(), make(chan error)
		for i := range watches {
			key := fmt.Sprint("k/", i%4)
			if snapshot {
				do(t, e, set(key, strings.Repeat("v", value)))
			}
			w := watch(t, e, store.WatchRequest{Snapshot: snapshot, Room: room})
			if !snapshot {
				next(t, w) // the first Sync
				do(t, e, set(key, strings.Repeat("v", value)))
			}
			go func() {
				_, err := w.Next(t.Context())
				over <- err
			}()
			if n := <-room.asked; n != value+len(key) {
				t.Fatalf("the watch asks for room for %d bytes, want %d", n, value+len(key))
			}
		}
		overrun(t, e, "k/0")
		do(t, e, set("k/0", strings.Repeat("v", value))) // drops the rest of the history
		if grown := heap() - before; grown > 12*value {
			t.Errorf("snapshot %v: %d watches that wait keep %d MiB in memory, want no more than the entries and the history",
				snapshot, watches, grown>>20)
		}
		close(room.opened)
		for range watches {
			if err := <-over; !errors.Is(err, store.ErrResumeTooOld) {
				t.Errorf("snapshot %v: next after waiting = %v, want ErrResumeTooOld", snapshot, err)
			}
		}
	}
}
