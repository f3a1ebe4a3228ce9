package memory_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"key-value/kvservice/store"
	"key-value/kvservice/store/memory"
	"key-value/kvservice/store/memory/wal"
	"key-value/kvservice/store/memory/wal/vfs/simfs"
)

// gate is a disk whose syncs wait while it is shut.
type gate struct {
	*simfs.Disk
	shut atomic.Bool
	open chan struct{}
}

func newGate() *gate {
	g := &gate{Disk: simfs.New(), open: make(chan struct{})}
	g.Before = func(op simfs.Op, _ string) error {
		if op == simfs.Sync && g.shut.Load() {
			<-g.open
		}
		return nil
	}
	return g
}

// release lets the syncs that wait, and all further ones, go on.
func (g *gate) release() {
	g.shut.Store(false)
	close(g.open)
}

// probe is a call that shows what has changed since the last sync. It returns what its result says: that a key exists, such as
// "+new", or does not, such as "-gone".
type probe struct {
	name string
	call func(ctx context.Context, e *memory.Engine, do doer) (says []string, err error)
}

// doer performs one operation.
type doer func(e *memory.Engine, ctx context.Context, op store.Operation) (store.Result, error)

// says returns a probe for an operation that says what if it ends with want.
func says(name, what string, op store.Operation, want error) probe {
	return probe{name, func(ctx context.Context, e *memory.Engine, do doer) ([]string, error) {
		if _, err := do(e, ctx, op); !errors.Is(err, want) {
			return nil, err
		}
		return []string{what}, nil
	}}
}

var probes = []probe{
	says("a set", "+new", store.Operation{Kind: store.Set, Key: "new"}, nil),
	says("a delete", "-gone", store.Operation{Kind: store.Delete, Key: "gone"}, nil),
	says("a get of a fresh entry", "+new", store.Operation{Kind: store.Get, Key: "new"}, nil),
	says("a miss", "-gone", store.Operation{Kind: store.Get, Key: "gone"}, store.ErrNotFound),
	says("a miss that may be", "-gone", store.Operation{Kind: store.Get, Key: "gone", AllowMissing: true}, nil),
	says("a failed precondition that an entry is absent", "+new",
		store.Operation{Kind: store.Set, Key: "new", Precondition: store.IfAbsent()}, store.ErrExists),
	says("a failed precondition that an entry exists", "-gone",
		store.Operation{Kind: store.Delete, Key: "gone", Precondition: store.IfExists()}, store.ErrAbsent),
	{"an atomic batch of gets", func(ctx context.Context, e *memory.Engine, _ doer) ([]string, error) {
		_, err := e.Batch(ctx, []store.Operation{{Kind: store.Get, Key: "old"}, {Kind: store.Get, Key: "new"}}, true)
		return []string{"+new"}, err
	}},
	{"a batch of gets", func(ctx context.Context, e *memory.Engine, _ doer) ([]string, error) {
		_, err := e.Batch(ctx, []store.Operation{{Kind: store.Get, Key: "old"}, {Kind: store.Get, Key: "gone"}}, false)
		return []string{"-gone"}, err
	}},
	{"a list", func(ctx context.Context, e *memory.Engine, _ doer) ([]string, error) {
		page, err := e.List(ctx, store.ListRequest{Limit: 10, MaxBytes: 1 << 20})
		if err != nil || len(page.Entries) != 2 || page.Entries[0].Key != "new" {
			return nil, fmt.Errorf("listed %v, %w", page.Entries, err)
		}
		return []string{"+new", "-gone"}, nil
	}},
	{"a dry run", func(ctx context.Context, e *memory.Engine, _ doer) ([]string, error) {
		_, err := e.DeleteRange(ctx, store.RangeRequest{Prefix: "g", Limit: 10, DryRun: true})
		return []string{"-gone"}, err
	}},
	{"statistics", func(ctx context.Context, e *memory.Engine, _ doer) ([]string, error) {
		_, err := e.Stats(ctx)
		return []string{"+new", "-gone"}, err
	}},
	{"the snapshot of a watch", func(ctx context.Context, e *memory.Engine, _ doer) ([]string, error) {
		return firstEvent(ctx, e, store.WatchRequest{Snapshot: true})
	}},
	{"the token of a new watch", func(ctx context.Context, e *memory.Engine, _ doer) ([]string, error) {
		return firstEvent(ctx, e, store.WatchRequest{})
	}},
}

func firstEvent(ctx context.Context, e *memory.Engine, req store.WatchRequest) ([]string, error) {
	w, err := e.Watch(ctx, req)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	_, err = w.Next(ctx)
	return []string{"+new", "-gone"}, err
}

// tellings makes all probes while nothing reaches the disk, then cuts the power, and returns the probes whose results turn out to
// be wrong, and those that returned before the sync.
func tellings(t *testing.T, seed uint64, do doer) (wrong, early []string) {
	synctest.Test(t, func(t *testing.T) {
		disk := newGate()
		e := load(t, disk, memory.Durable{Sizes: smallFiles})
		for _, key := range []string{"old", "gone"} {
			write := store.Operation{Kind: store.Set, Key: key}
			if _, err := e.Do(t.Context(), write); err != nil {
				t.Fatal(err)
			}
		}
		resumed, err := e.Watch(t.Context(), store.WatchRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := resumed.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
		disk.shut.Store(true)
		all := append(slices.Clone(probes), probe{"an event", func(ctx context.Context, _ *memory.Engine, _ doer) ([]string, error) {
			_, err := resumed.Next(ctx)
			return []string{"+new"}, err
		}})
		told := make([]atomic.Pointer[[]string], len(all))
		for i, p := range all {
			go func() {
				said, err := p.call(t.Context(), e, do)
				if err != nil {
					t.Errorf("%s: %v", p.name, err)
				}
				told[i].Store(&said)
			}()
			synctest.Wait() // the first two are the writes
		}
		if _, err := e.Do(t.Context(), store.Operation{Kind: store.Get, Key: "old"}); err != nil {
			t.Errorf("a get of an old entry: %v", err)
		}
		left := load(t, disk.Crash(rand.New(rand.NewPCG(seed, 0))), memory.Durable{})
		for i, p := range all {
			if said := told[i].Load(); said != nil {
				early = append(early, p.name)
				if slices.ContainsFunc(*said, func(what string) bool { return !holds(t, left, what) }) {
					wrong = append(wrong, p.name)
				}
			}
		}
		disk.release()
		synctest.Wait()
		for i, p := range all {
			if told[i].Load() == nil {
				t.Errorf("%s does not return after the sync", p.name)
			}
		}
		resumed.Close()
		closeAll(t, e, left)
	})
	return wrong, early
}

// holds reports whether what a probe said holds.
func holds(t *testing.T, e *memory.Engine, what string) bool {
	_, err := e.Do(t.Context(), store.Operation{Kind: store.Get, Key: what[1:]})
	return (err == nil) == (what[0] == '+')
}

func closeAll(t *testing.T, engines ...*memory.Engine) {
	t.Helper()
	for _, e := range engines {
		if err := e.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
}

func TestNothingIsToldThatAPowerCutTakesBack(t *testing.T) {
	for seed := range uint64(20) {
		if wrong, early := tellings(t, seed, (*memory.Engine).Do); len(wrong)+len(early) != 0 {
			t.Errorf("after seed %d these are wrong: %q; these were told before the sync: %q", seed, wrong, early)
		}
	}
}

func TestTheTestOfWhatIsToldFindsBugs(t *testing.T) {
	for name, bug := range map[string]struct {
		do    doer
		found string
	}{
		"reads do not wait for the sync":  {memory.GetUngated, "a get of a fresh entry"},
		"writes do not wait for the sync": {memory.WriteUngated, "a set"},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(20) {
				if wrong, _ := tellings(t, seed, bug.do); slices.Contains(wrong, bug.found) {
					return
				}
			}
			t.Errorf("20 power cuts did not show that %s was wrong", bug.found)
		})
	}
}

// A write that a power cut took back is not the same as one that comes later, though nothing on disk tells of it.
func TestAVersionOfALostWriteNeverMatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newGate()
		e := load(t, disk, modes["1s"])
		disk.shut.Store(true)
		lost, err := e.Do(t.Context(), store.Operation{Kind: store.Set, Key: "k"})
		if err != nil {
			t.Fatal(err)
		}
		left := survivor(t, disk)
		time.Sleep(time.Millisecond) // a restart takes longer than a nanosecond
		after := load(t, left, modes["1s"])
		defer closeAll(t, e, after)
		defer disk.release()
		again, err := after.Do(t.Context(), store.Operation{Kind: store.Set, Key: "k"})
		if err != nil || again.Entry.Version.Revision <= lost.Entry.Version.Revision {
			t.Errorf("the next write has revision %d, %v; want one above %d, that of the lost one", again.Entry.Version.Revision, err, lost.Entry.Version.Revision)
		}
		match := store.Operation{Kind: store.Delete, Key: "k", Precondition: store.IfVersion(lost.Entry.Version)}
		if _, err := after.Do(t.Context(), match); !errors.Is(err, store.ErrVersionMismatch) {
			t.Errorf("deleting the lost version: %v, want ErrVersionMismatch", err)
		}
		if _, err := after.Watch(t.Context(), store.WatchRequest{Resume: lost.Entry.Version.String()}); !errors.Is(err, store.ErrResumeTooOld) {
			t.Errorf("resuming after the lost write: %v, want ErrResumeTooOld", err)
		}
	})
}

// survivor returns a disk after a power cut that took back all that was not synced.
func survivor(t *testing.T, disk *gate) *simfs.Disk {
	for seed := range uint64(100) {
		left := disk.Crash(rand.New(rand.NewPCG(seed, 0)))
		e := load(t, left, modes["1s"])
		kept := holds(t, e, "+k")
		closeAll(t, e)
		if !kept {
			return left
		}
	}
	t.Fatal("no power cut took back what was not synced")
	return nil
}

func TestWritesAreRefusedWhileTheDiskIsTooSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newGate()
		e := load(t, disk, modes["1s"])
		set := store.Operation{Kind: store.Set, Key: "k"}
		disk.shut.Store(true)
		if _, err := e.Do(t.Context(), set); err != nil {
			t.Fatalf("a set within the bound: %v", err)
		}
		time.Sleep(1001 * time.Millisecond)
		begin := time.Now()
		set.Key = "refused"
		if _, err := e.Do(t.Context(), set); !errors.Is(err, store.ErrBehind) || time.Since(begin) > time.Minute {
			t.Errorf("a set beyond the bound: %v after %v, want ErrBehind", err, time.Since(begin))
		}
		if !holds(t, e, "-refused") || !holds(t, e, "+k") {
			t.Error("the refused write changed something, or reads do not go on")
		}
		disk.release()
		synctest.Wait()
		if _, err := e.Do(t.Context(), set); err != nil {
			t.Errorf("a set after the disk has caught up: %v", err)
		}
		closeAll(t, e)
	})
}

func TestAFailedDiskAcknowledgesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, broken := simfs.New(), atomic.Bool{}
		disk.Before = func(op simfs.Op, _ string) error {
			if op == simfs.Sync && broken.Load() {
				return simfs.ErrIO
			}
			return nil
		}
		e := load(t, disk, memory.Durable{Sizes: smallFiles})
		set := store.Operation{Kind: store.Set, Key: "k"}
		if _, err := e.Do(t.Context(), set); err != nil {
			t.Fatal(err)
		}
		broken.Store(true)
		if _, err := e.Do(t.Context(), set); !errors.Is(err, store.ErrUnknownOutcome) {
			t.Errorf("the set whose sync fails: %v, want ErrUnknownOutcome", err)
		}
		<-e.Log().Failed()
		broken.Store(false)
		if _, err := e.Do(t.Context(), set); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("a set after a sync failed: %v, want ErrUnavailable", err)
		}
		if err := e.Close(); !errors.Is(err, wal.ErrFailed) || !errors.Is(err, simfs.ErrIO) {
			t.Errorf("close: %v, want why the log failed", err)
		}
	})
}

func TestAFullDiskRefusesSetsUntilThereIsRoom(t *testing.T) {
	disk := simfs.New()
	e := closed(t, load(t, disk, modes["1s"]))
	set := func(key string) error {
		_, err := e.Do(t.Context(), store.Operation{Kind: store.Set, Key: key, Value: make([]byte, 1000)})
		return err
	}
	if err := set("kept"); err != nil {
		t.Fatal(err)
	}
	disk.SetCapacity(disk.Used())
	var err error
	for n := 0; err == nil && n < 1000; n++ {
		err = set(fmt.Sprint(n % 10))
	}
	if !errors.Is(err, store.ErrDiskFull) {
		t.Fatalf("a set on a full disk: %v, want ErrDiskFull", err)
	}
	if !holds(t, e, "+kept") {
		t.Error("what was stored before the disk was full cannot be read")
	}
	if _, err := e.Do(t.Context(), store.Operation{Kind: store.Delete, Key: "kept"}); err != nil {
		t.Errorf("a delete on a full disk: %v", err)
	}
	disk.SetCapacity(0)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if err = set("again"); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("a set after there is room again: %v", err)
		}
	}
}

// A refusal for lack of room tells of no change, so it does not wait for those before it, which may wait for long on such a disk.
func TestAWriteWithoutRoomIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newGate()
		e := load(t, disk, modes["always"])
		disk.shut.Store(true)
		waiting := make(chan error, 1)
		go func() {
			_, err := e.Do(t.Context(), store.Operation{Kind: store.Set, Key: "k"})
			waiting <- err
		}()
		synctest.Wait()
		disk.SetCapacity(disk.Used())
		large := store.Operation{Kind: store.Set, Key: "large", Value: make([]byte, 100<<10)}
		refused := make(chan error, 3)
		go func() {
			_, err := e.Do(t.Context(), large)
			refused <- err
			_, err = e.Batch(t.Context(), []store.Operation{large}, true)
			refused <- err
			results, err := e.Batch(t.Context(), []store.Operation{large}, false)
			refused <- errors.Join(err, results[0].Err)
		}()
		synctest.Wait()
		for range cap(refused) {
			select {
			case err := <-refused:
				if !errors.Is(err, store.ErrDiskFull) {
					t.Errorf("a write without room: %v, want ErrDiskFull", err)
				}
			default:
				t.Error("a write that is refused waits for the disk")
			}
		}
		disk.SetCapacity(0)
		disk.release()
		if err := <-waiting; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		closeAll(t, e)
	})
}

func TestHistoryThatIsNoLongerKeptIsTooOldAfterARestart(t *testing.T) {
	fs := simfs.New()
	e := load(t, fs, modes["always"])
	w, err := e.Watch(t.Context(), store.WatchRequest{})
	if err != nil {
		t.Fatal(err)
	}
	first, err := w.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	for n := range 100 {
		write := store.Operation{Kind: store.Set, Key: fmt.Sprint(n), Value: make([]byte, 1000)}
		if _, err := e.Do(t.Context(), write); err != nil {
			t.Fatal(err)
		}
	}
	closeAll(t, e)
	again, err := memory.Open(context.Background(), fs, memory.Options{HistoryBytes: 10_000}, modes["always"])
	if err != nil {
		t.Fatal(err)
	}
	closed(t, again)
	if _, err := again.Watch(t.Context(), store.WatchRequest{Resume: first.Token}); !errors.Is(err, store.ErrResumeTooOld) {
		t.Errorf("resuming before the history: %v, want ErrResumeTooOld", err)
	}
}
