package etcd_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"key-value/internal/testkit/etcdcluster"
	"key-value/kvservice/store"
	"key-value/kvservice/store/etcd"
	"key-value/kvservice/store/storetest"
)

// patience is how long to wait for something that must happen.
const patience = 2 * time.Minute

func set(key, value string) store.Operation {
	return store.Operation{Kind: store.Set, Key: key, Value: []byte(value)}
}

func get(key string) store.Operation { return store.Operation{Kind: store.Get, Key: key} }

func increment(key string) store.Operation {
	return store.Operation{Kind: store.Increment, Key: key, Delta: 1}
}

func do(t *testing.T, e store.Engine, op store.Operation) store.Result {
	t.Helper()
	result, err := e.Do(t.Context(), op)
	if err != nil {
		t.Fatalf("operation on %q: %v", op.Key, err)
	}
	return result
}

// watch opens a watch and reads its first event.
func watch(t *testing.T, e store.Engine, req store.WatchRequest) store.Watcher {
	t.Helper()
	w, err := e.Watch(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	next(t, w)
	return w
}

// next returns the next event of w, which must come.
func next(t *testing.T, w store.Watcher) store.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	event, err := w.Next(ctx)
	if err != nil {
		t.Fatalf("next event: %v", err)
	}
	return event
}

// ending returns the error with which a watch ends.
func ending(t *testing.T, w store.Watcher) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		if _, err := w.Next(ctx); err != nil {
			return err
		}
	}
}

// eventually calls try until it succeeds.
func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if err = try(); err == nil {
			return
		}
	}
	t.Fatalf("%s: %v", what, err)
}

func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s = %v, want %v", what, err, want)
	}
}

func TestTwoEnginesShareOneStore(t *testing.T) {
	t.Parallel()
	members := etcdcluster.StartTest(t, etcdcluster.Config{})
	storetest.RunShared(t, open(t, members, etcd.Options{Prefix: "shared"}), open(t, members, etcd.Options{Prefix: "shared"}))
}

func TestRevisionsGrowOverARestart(t *testing.T) {
	t.Parallel()
	members := etcdcluster.StartTest(t, etcdcluster.Config{})
	storetest.CheckRestart(t, open(t, members, etcd.Options{Prefix: "p"}), func() store.Engine {
		if err := members.Members()[0].Kill(); err != nil {
			t.Fatal(err)
		}
		if err := members.Members()[0].Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		return open(t, members, etcd.Options{Prefix: "p"})
	})
}

// A watch that is read late, and one that resumes in another engine, read from etcd what is no longer in memory.
func TestWatchesThatAreFarBehindMissNothing(t *testing.T) {
	t.Parallel()
	members := etcdcluster.StartTest(t, etcdcluster.Config{})
	a, b := open(t, members, etcd.Options{Prefix: "p"}), open(t, members, etcd.Options{Prefix: "p"})
	late := watch(t, a, store.WatchRequest{Prefix: "k"})
	do(t, a, set("k", "first"))
	const changes = 5000
	long := strings.Repeat("v", 6000)
	var ops []store.Operation
	for i := range changes {
		ops = append(ops, set("k", fmt.Sprint(i)), set("other", fmt.Sprint(i)))
		if i%1000 == 0 {
			ops = append(ops, set("k", long))
		}
	}
	for len(ops) > 0 {
		n := min(1000, len(ops))
		if _, err := a.Batch(t.Context(), ops[:n], false); err != nil {
			t.Fatal(err)
		}
		ops = ops[n:]
	}
	first := next(t, late)
	resumed, err := b.Watch(t.Context(), store.WatchRequest{Key: "k", Resume: first.Token})
	if err != nil {
		t.Fatal(err)
	}
	defer resumed.Close()
	for name, w := range map[string]store.Watcher{"late": late, "resumed": resumed} {
		for i := range changes {
			if event := next(t, w); string(event.Entry.Value) != fmt.Sprint(i) {
				t.Fatalf("%s: event %d is %.80q", name, i, event.Entry.Value)
			}
			if i%1000 == 0 {
				if event := next(t, w); string(event.Entry.Value) != long {
					t.Fatalf("%s: after event %d is %.80q, want the long value", name, i, event.Entry.Value)
				}
			}
		}
	}
}

func TestCompactedChangesAreTooOld(t *testing.T) {
	t.Parallel()
	members := etcdcluster.StartTest(t, etcdcluster.Config{})
	e := open(t, members, etcd.Options{Prefix: "p", HistoryBytes: 64 << 10})
	w := watch(t, e, store.WatchRequest{Prefix: "k"})
	do(t, e, set("k", "v"))
	token := next(t, w).Token
	w.Close()
	long := strings.Repeat("v", 100<<10)
	eventually(t, "compact the change after the token", func() error {
		do(t, e, set("other", long))
		other, err := etcd.Open(t.Context(), at(t, members, etcd.Options{Prefix: "p"})) // it has no changes in memory
		if err != nil {
			return err
		}
		defer func() { _ = other.Close() }()
		again, err := other.Watch(t.Context(), store.WatchRequest{Prefix: "k", Resume: token})
		if err == nil {
			again.Close()
			return errors.New("the changes after the token are still there")
		}
		if !errors.Is(err, store.ErrResumeTooOld) {
			t.Fatal(err)
		}
		return nil
	})
}

// This takes [store.SyncInterval]: etcd has no fake clock, which the check in the contract of engines needs.
func TestIdleWatchGetsASyncAlthoughNothingChanges(t *testing.T) {
	t.Parallel()
	e := open(t, etcdcluster.StartTest(t, etcdcluster.Config{}), etcd.Options{})
	w := watch(t, e, store.WatchRequest{Key: "k"})
	event := next(t, w)
	if event.Type != store.Sync || event.Token == "" {
		t.Fatalf("the next event is %+v, want a sync with a token", event)
	}
	resumed, err := e.Watch(t.Context(), store.WatchRequest{Key: "k", Resume: event.Token})
	if err != nil {
		t.Fatal(err)
	}
	defer resumed.Close()
	next(t, resumed) // its first sync
	do(t, e, set("k", "1"))
	for what, event := range map[string]store.Event{"the watch": next(t, w), "a resumed one": next(t, resumed)} {
		if string(event.Entry.Value) != "1" {
			t.Errorf("after the sync %s has %+v, want the change", what, event)
		}
	}
}
