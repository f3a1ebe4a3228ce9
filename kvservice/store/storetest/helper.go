package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"key-value/kvservice/store"
)

// patience is how long a check waits for something that must happen. It does not measure how soon it should.
const patience = time.Minute

func get(key string) store.Operation { return store.Operation{Kind: store.Get, Key: key} }

func getIfAny(key string) store.Operation {
	return store.Operation{Kind: store.Get, Key: key, AllowMissing: true}
}

func set(key, value string) store.Operation {
	return store.Operation{Kind: store.Set, Key: key, Value: []byte(value)}
}

func setFor(key, value string, ttl time.Duration) store.Operation {
	op := set(key, value)
	op.TTL = ttl
	return op
}

func setKeeping(key, value string) store.Operation {
	op := set(key, value)
	op.KeepTTL = true
	return op
}

func del(key string) store.Operation { return store.Operation{Kind: store.Delete, Key: key} }

func touch(key string, ttl time.Duration) store.Operation {
	return store.Operation{Kind: store.Touch, Key: key, TTL: ttl}
}

func increment(key string, delta int64) store.Operation {
	return store.Operation{Kind: store.Increment, Key: key, Delta: delta}
}

// colocated returns a prefix for keys that any engine can change together in an atomic batch. Engines that divide
// their entries do so by the text in the first pair of braces.
func colocated(group string) string { return "{" + group + "}/" }

// conditional returns op with a precondition.
func conditional(op store.Operation, p store.Precondition) store.Operation {
	op.Precondition = p
	return op
}

// do performs op, which must succeed.
func do(t T, e store.Engine, op store.Operation) store.Result {
	t.Helper()
	result, err := e.Do(t.Context(), op)
	if err != nil {
		t.Fatalf("%s = %v, want no error", describe(op), err)
	}
	return result
}

// wantErr performs op, which must fail with want.
func wantErr(t T, e store.Engine, op store.Operation, want error) {
	t.Helper()
	if _, err := e.Do(t.Context(), op); !errors.Is(err, want) {
		t.Fatalf("%s = %v, want %v", describe(op), err, want)
	}
}

// wantValue checks that key has value, and returns its entry.
func wantValue(t T, e store.Engine, key, value string) store.Entry {
	t.Helper()
	entry := do(t, e, get(key)).Entry
	if entry.Key != key || string(entry.Value) != value {
		t.Fatalf("get %q = %q with %q, want %q", key, entry.Key, entry.Value, value)
	}
	return entry
}

// list returns one page. Zero limits mean high ones.
func list(t T, e store.Engine, req store.ListRequest) store.Page {
	t.Helper()
	if req.Limit == 0 {
		req.Limit = 1000
	}
	if req.MaxBytes == 0 {
		req.MaxBytes = 1 << 30
	}
	page, err := e.List(t.Context(), req)
	if err != nil {
		t.Fatalf("list %+v: %v", req, err)
	}
	return page
}

// keysOf returns the keys of entries.
func keysOf(entries []store.Entry) []string {
	keys := []string{}
	for _, entry := range entries {
		keys = append(keys, entry.Key)
	}
	return keys
}

// wantKeys checks that entries have exactly these keys, in this order.
func wantKeys(t T, entries []store.Entry, want ...string) {
	t.Helper()
	if got := keysOf(entries); !slices.Equal(got, want) {
		t.Fatalf("listed %q, want %q", got, want)
	}
}

// statsOf returns the engine's statistics.
func statsOf(t T, e store.Engine) store.Stats {
	t.Helper()
	stats, err := e.Stats(t.Context())
	if err != nil {
		t.Fatalf("stats: %v", err)
	}
	return stats
}

// eventually waits until holds returns true, but not for longer than the check may take.
func eventually(t T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if t.Context().Err() != nil || time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// open opens a watch.
func open(t T, e store.Engine, req store.WatchRequest) store.Watcher {
	t.Helper()
	w, err := e.Watch(t.Context(), req)
	if err != nil {
		t.Fatalf("watch %+v: %v", req, err)
	}
	return w
}

// next returns the next event of w, which must come.
func next(t T, w store.Watcher) store.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	event, err := w.Next(ctx)
	if err != nil {
		t.Fatalf("next event: %v", err)
	}
	return event
}

// wantEvent checks the type, key and value of the next event of w.
func wantEvent(t T, w store.Watcher, kind store.EventType, key, value string) store.Event {
	t.Helper()
	event := next(t, w)
	if event.Type != kind || event.Entry.Key != key || string(event.Entry.Value) != value {
		t.Fatalf("next event is %s, want %s", describeEvent(event),
			describeEvent(store.Event{Type: kind, Entry: store.Entry{Key: key, Value: []byte(value)}}))
	}
	return event
}

var kindNames = map[store.Kind]string{
	store.Get: "get", store.Set: "set", store.Delete: "delete", store.Touch: "touch",
	store.Increment: "increment",
}

var eventNames = map[store.EventType]string{
	store.Put: "put", store.Deleted: "delete", store.Expired: "expire", store.Evicted: "evict",
	store.Sync: "sync", store.Touched: "touch",
}

func describe(op store.Operation) string {
	text := fmt.Sprintf("%s %q", kindNames[op.Kind], op.Key)
	if op.Kind == store.Set {
		text += fmt.Sprintf(" to %.40q", op.Value)
	}
	if op.Kind == store.Increment {
		text += fmt.Sprintf(" by %d", op.Delta)
	}
	if op.TTL != 0 {
		text += fmt.Sprintf(" for %v", op.TTL)
	}
	if op.AllowMissing {
		text += " if any"
	}
	if op.KeepTTL {
		text += " and keep the TTL"
	}
	if op.Precondition != (store.Precondition{}) {
		text += fmt.Sprintf(" if %+v", op.Precondition)
	}
	return text
}

func describeEvent(event store.Event) string {
	if event.Type == store.Sync {
		return "sync"
	}
	return fmt.Sprintf("%s %q %.40q", eventNames[event.Type], event.Entry.Key, event.Entry.Value)
}
