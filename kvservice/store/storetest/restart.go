package storetest

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"key-value/kvservice/store"
)

// RunRestarts tests engines whose entries outlive them, with a fake clock, as [RunExact] does: random calls are compared with a
// map while the engine is restarted between them, and a watch that resumes now and then must have missed nothing.
//
// Open returns an empty engine. Restart ends e, in whatever way the engine is made to survive, and returns the one that
// takes its place. Both are called with a fake clock.
func RunRestarts(t *testing.T, open func() store.Engine, restart func(t *rapid.T, e store.Engine) store.Engine) {
	rapid.Check(t, func(t *rapid.T) {
		rapid.SyncTest(t, func(t *rapid.T) {
			r := &restarted{engine: open(), open: restart, replica: map[string]store.Entry{}}
			defer func() { closeEngine(t, r.engine) }()
			r.driver = &driver{ctx: t.Context(), ttls: []time.Duration{0, time.Microsecond, time.Second, time.Hour}}
			r.store = r.engine
			r.follow(t, 1)
			moves := r.moves()
			moves["wait"] = r.wait
			moves["count"] = func(t *rapid.T) { r.count(t, r.engine) }
			moves["restart"] = r.restart
			moves["follow"] = func(t *rapid.T) { r.follow(t, rapid.SampledFrom([]int{1, 2, 1 << 20}).Draw(t, "events")) }
			t.Repeat(moves)
			r.follow(t, 1<<20)
		})
	})
}

// restarted makes random calls of an engine that is restarted, and watches all of its keys.
type restarted struct {
	*driver
	engine  store.Engine
	open    func(t *rapid.T, e store.Engine) store.Engine
	token   string                 // of the last event
	last    uint64                 // the last revision that an event had
	replica map[string]store.Entry // what the events say
}

func (r *restarted) restart(t *rapid.T) {
	r.engine = r.open(t, r.engine)
	r.store = r.engine
}

// follow resumes the watch for so many events, or up to a Sync. Then all changes have been delivered, and the replica must have
// what the model has.
func (r *restarted) follow(t *rapid.T, events int) {
	w, err := r.engine.Watch(r.ctx, store.WatchRequest{Resume: r.token})
	if err != nil {
		t.Fatalf("resume at %q: %v", r.token, err)
	}
	defer w.Close()
	for range events {
		event, err := w.Next(r.ctx)
		if err != nil {
			t.Fatalf("next event after %q: %v", r.token, err)
		}
		r.token = event.Token
		if event.Type == store.Sync {
			r.compare(t)
			return
		}
		if event.Revision <= r.last {
			t.Fatalf("%s has revision %d after revision %d", describeEvent(event), event.Revision, r.last)
		}
		r.last = event.Revision
		if err := r.apply(event); err != nil {
			t.Fatal(err)
		}
	}
}

// apply applies an event to the replica.
func (r *restarted) apply(event store.Event) error {
	key := event.Entry.Key
	before, existed := r.replica[key]
	switch event.Type {
	case store.Put:
		r.replica[key] = event.Entry
		return nil
	case store.Touched:
		event.Entry.Value = before.Value
		r.replica[key] = event.Entry
	default:
		delete(r.replica, key)
	}
	if !existed {
		return fmt.Errorf("%s is of a key that the watch does not know", describeEvent(event))
	}
	return nil
}

// compare compares the replica with the model.
func (r *restarted) compare(t *rapid.T) {
	keys := r.model.Keys()
	for _, key := range keys {
		got, ok := r.replica[key]
		if err := r.model.Check(get(key), store.Result{Entry: got}, nil); !ok || err != nil {
			t.Fatalf("the watch says that the entry of %q is %+v: %v", key, got, err)
		}
	}
	if len(r.replica) != len(keys) {
		t.Fatalf("the watch says that there are %d keys, want %d", len(r.replica), len(keys))
	}
}
