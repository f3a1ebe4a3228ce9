package memory_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"key-value/kvservice/store"
	"key-value/kvservice/store/memory"
)

// aging is an engine whose history has room for many changes, but for few old ones.
var aging = memory.Options{HistoryBytes: 1 << 20, OldHistoryBytes: small}

func TestOldChangesAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := open(t, aging)
		first := do(t, e, set("k", "v")).Entry.Version.String()
		empty := e.HeldBytes()
		var last string
		for range 10 {
			overrun(t, e, "k")
			last = do(t, e, set("k", "v")).Entry.Version.String()
		}
		full := e.HeldBytes()
		time.Sleep(29 * time.Second)
		if err := resume(t, e, first); err != nil {
			t.Errorf("resuming from a change that is 29 s old = %v, want no error", err)
		}
		time.Sleep(3 * time.Second)
		if err := resume(t, e, first); !errors.Is(err, store.ErrResumeTooOld) {
			t.Errorf("resuming from the first change after 32 s = %v, want ErrResumeTooOld", err)
		}
		if err := resume(t, e, last); err != nil {
			t.Errorf("resuming from the last change after 32 s = %v, want no error", err)
		}
		if left := e.HeldBytes() - empty; left > small {
			t.Errorf("the history has %d of %d bytes after 32 s, want at most %d", left, full-empty, small)
		}
	})
}

func TestTheLastChangeNeverBecomesTooOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := open(t, memory.Options{HistoryBytes: 1 << 20, OldHistoryBytes: 1})
		before := do(t, e, set("k", "v")).Entry.Version.String()
		do(t, e, set("k", "w"))
		time.Sleep(time.Hour)
		w := watch(t, e, store.WatchRequest{Resume: before})
		if event := next(t, w); string(event.Entry.Value) != "w" {
			t.Errorf("the last change after an hour = %+v", event)
		}
	})
}

func resume(t *testing.T, e *memory.Engine, token string) error {
	w, err := e.Watch(t.Context(), store.WatchRequest{Resume: token})
	if err == nil {
		w.Close()
	}
	return err
}

// The history shrinks and grows while a watch reads it.
func TestAWatchContinuesWhileOldChangesAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := open(t, aging)
		w := watch(t, e, store.WatchRequest{Key: "k"})
		next(t, w)
		for round := range 5 {
			for i := range 300 {
				value := fmt.Sprint(round, i)
				do(t, e, set("k", value))
				if got := string(next(t, w).Entry.Value); got != value {
					t.Fatalf("change %d of round %d is %q", i, round, got)
				}
			}
			time.Sleep(time.Minute)
		}
	})
}

// A watch goes on after its snapshot with the changes since the snapshot was taken.
func TestOldChangesAreKeptForASnapshotThatIsBeingRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := open(t, aging)
		const entries = 200
		for i := range entries {
			do(t, e, set(fmt.Sprintf("k/%03d", i), "v"))
		}
		w := watch(t, e, store.WatchRequest{Prefix: "k/", Snapshot: true})
		next(t, w)
		overrun(t, e, "k/000")
		time.Sleep(time.Hour)
		synctest.Wait() // the engine looks for old changes each second, also at this instant
		for range entries - 1 {
			next(t, w)
		}
		if event := next(t, w); event.Type != store.Sync {
			t.Fatalf("the snapshot ends with %+v", event)
		}
		for range 200 {
			if event := next(t, w); event.Entry.Key != "k/000" {
				t.Fatalf("a change after the snapshot is %+v", event)
			}
		}
		full := e.HeldBytes()
		time.Sleep(2 * time.Second)
		if e.HeldBytes() == full {
			t.Error("old changes are kept after the snapshot was read")
		}
	})
}
