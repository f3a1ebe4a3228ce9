package storetest

import (
	"context"
	"errors"
	"strings"

	"key-value/kvservice/store"
)

var roomChecks = []Check{
	{"a watch waits for memory before each event with an entry", func(t T, e store.Engine) {
		r, large := newRoom(), strings.Repeat("v", 300<<10)
		do(t, e, set("k/1", "before"))
		do(t, e, set("k/2", large))
		w := open(t, e, store.WatchRequest{Prefix: "k/", Snapshot: true, Room: r})
		defer w.Close()
		sizes := map[string]string{"k/1": "before", "k/2": large}
		for range sizes {
			r.wantWait(t, w)
			event := r.wantPut(t, w)
			if sizes[event.Entry.Key] != string(event.Entry.Value) {
				t.Fatalf("the snapshot has %.80s", describeEvent(event))
			}
		}
		token := wantEvent(t, w, store.Sync, "", "").Token

		do(t, e, set("k/3", large))
		r.wantWait(t, w)
		do(t, e, set("k/3", "after"))
		do(t, e, del("k/1"))
		resumed := open(t, e, store.WatchRequest{Prefix: "k/", Resume: token, Room: r})
		defer resumed.Close()
		for _, w := range []store.Watcher{w, resumed} {
			for _, value := range []string{large, "after"} {
				r.wantWait(t, w)
				if event := r.wantPut(t, w); event.Entry.Key != "k/3" || string(event.Entry.Value) != value {
					t.Fatalf("the next event is %.80s, want k/3 with %.80s", describeEvent(event), value)
				}
			}
			wantEvent(t, w, store.Deleted, "k/1", "")
		}
	}},
	{"a watch of one key waits for memory", func(t T, e store.Engine) {
		r := newRoom()
		do(t, e, set("k", "before"))
		w := open(t, e, store.WatchRequest{Key: "k", Snapshot: true, Room: r})
		defer w.Close()
		for _, value := range []string{"before", "after"} {
			r.wantWait(t, w)
			if event := r.wantPut(t, w); string(event.Entry.Value) != value {
				t.Fatalf("the next event is %s, want %s", describeEvent(event), value)
			}
			if value == "before" {
				wantEvent(t, w, store.Sync, "", "")
				do(t, e, set("k", "after"))
			}
		}
	}},
}

// room is a [store.Room] that has no memory until it is granted some.
type room struct {
	waits  chan int      // receives the size of each wait
	grants chan struct{} // an element lets one wait succeed
}

func newRoom() room { return room{make(chan int, 100), make(chan struct{}, 1)} }

func (r room) Take(int) bool { return false }

func (r room) Wait(ctx context.Context, n int) error {
	r.waits <- n
	select {
	case <-r.grants:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// wantWait checks that w waits for memory.
func (r room) wantWait(t T, w store.Watcher) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	go func() {
		select {
		case <-r.waits:
			cancel()
		case <-ctx.Done():
		}
	}()
	if event, err := w.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("next without memory = %.80s, %v, want it to wait", describeEvent(event), err)
	}
}

// wantPut returns the next event of w, for which it grants memory once.
func (r room) wantPut(t T, w store.Watcher) store.Event {
	t.Helper()
	r.grants <- struct{}{}
	event := next(t, w)
	if n := <-r.waits; event.Type != store.Put || n < len(event.Entry.Key)+len(event.Entry.Value) {
		t.Fatalf("next event is %.80s after a wait for %d bytes", describeEvent(event), n)
	}
	return event
}
