package memory_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"key-value/kvservice/store"
	"key-value/kvservice/store/memory"
)

const room = 256 << 10

func set(key, value string) store.Operation {
	return store.Operation{Kind: store.Set, Key: key, Value: []byte(value)}
}

func del(key string) store.Operation { return store.Operation{Kind: store.Delete, Key: key} }

func get(key string) store.Operation { return store.Operation{Kind: store.Get, Key: key} }

func do(t *testing.T, e *memory.Engine, op store.Operation) store.Result {
	t.Helper()
	result, err := e.Do(t.Context(), op)
	if err != nil {
		t.Fatalf("%+v: %v", op, err)
	}
	return result
}

func stats(t *testing.T, e *memory.Engine) store.Stats {
	t.Helper()
	s, err := e.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.MaxMemory > 0 && s.MemoryBytes > s.MaxMemory {
		t.Fatalf("entries take %d bytes, over the limit of %d", s.MemoryBytes, s.MaxMemory)
	}
	if err := e.Verify(); err != nil {
		t.Fatal(err)
	}
	return s
}

// fill writes new keys until one is rejected, and returns how many were written.
func fill(t *testing.T, e *memory.Engine, ttl time.Duration) int {
	t.Helper()
	for i := 0; ; i++ {
		op := set(fmt.Sprintf("key/%06d", i), strings.Repeat("v", 100))
		op.TTL = ttl
		if _, err := e.Do(t.Context(), op); errors.Is(err, store.ErrFull) {
			return i
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestFullEngineRejectsWritesThatNeedMemory(t *testing.T) {
	e := open(t, memory.Options{MaxMemory: room})
	n := fill(t, e, 0)
	if s := stats(t, e); s.Keys != int64(n) || s.MemoryBytes < room*19/20 {
		t.Fatalf("the engine is full with %d keys in %d bytes", s.Keys, s.MemoryBytes)
	}
	for _, op := range []store.Operation{
		set("new", strings.Repeat("v", 100)), set("key/000000", strings.Repeat("w", 10_000)),
	} {
		if _, err := e.Do(t.Context(), op); !errors.Is(err, store.ErrFull) {
			t.Errorf("%v %q = %v, want ErrFull", op.Kind, op.Key, err)
		}
	}
}

func TestFullEngineStillServesTheRest(t *testing.T) {
	e := open(t, memory.Options{MaxMemory: room})
	n := fill(t, e, 0)
	do(t, e, get("key/000000"))
	do(t, e, set("key/000000", strings.Repeat("w", 100)))
	do(t, e, store.Operation{Kind: store.Touch, Key: "key/000001", TTL: time.Hour})
	do(t, e, store.Operation{Kind: store.Delete, Key: "key/000002"})
	if page, err := e.List(t.Context(), store.ListRequest{Limit: n, MaxBytes: room}); err != nil || len(page.Entries) != n-1 {
		t.Fatalf("list returned %d entries, want %d; %v", len(page.Entries), n-1, err)
	}
	do(t, e, set("key/000002", strings.Repeat("v", 100)))
	stats(t, e)
}

func TestExpiryFreesMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := open(t, memory.Options{MaxMemory: room})
		n := fill(t, e, time.Minute)
		time.Sleep(time.Minute)
		if again := fill(t, e, time.Minute); again != n {
			t.Fatalf("%d entries fit after all have expired, want %d as before", again, n)
		}
	})
}

func TestOversizedAtomicBatchChangesNothing(t *testing.T) {
	for _, onFull := range []memory.OnFull{memory.Reject, memory.Evict} {
		e := open(t, memory.Options{MaxMemory: room, OnFull: onFull})
		var ops []store.Operation
		for i := range 100 {
			do(t, e, set(fmt.Sprint(i), "v"))
			ops = append(ops, set(fmt.Sprint("new", i), strings.Repeat("v", room/50)))
		}
		before := stats(t, e)
		if _, err := e.Batch(t.Context(), ops, true); !errors.Is(err, store.ErrFull) {
			t.Fatalf("batch = %v, want ErrFull", err)
		}
		if after := stats(t, e); after.Keys != before.Keys || after.MemoryBytes != before.MemoryBytes || after.Evictions != 0 {
			t.Fatalf("a failed batch changed the stats to %+v from %+v", after, before)
		}
	}
}

func TestEvictionFreesMemoryForEveryWrite(t *testing.T) {
	e := closed(t, memory.NewDeep(memory.Options{MaxMemory: room, OnFull: memory.Evict}))
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 5000 {
		key := fmt.Sprint(i)
		do(t, e, set(key, strings.Repeat("v", random.IntN(500))))
		do(t, e, get(key))
		if i%500 == 0 {
			stats(t, e)
		}
	}
	do(t, e, set("large", strings.Repeat("v", room*3/4)))
	do(t, e, get("large"))
	s := stats(t, e)
	if s.Evictions+s.Keys != 5001 {
		t.Fatalf("%d entries were evicted and %d are left, want 5001 in total", s.Evictions, s.Keys)
	}
	if _, err := e.Do(t.Context(), set("huge", strings.Repeat("v", room))); !errors.Is(err, store.ErrFull) {
		t.Fatalf("set of an oversized value = %v, want ErrFull", err)
	}
	if after := stats(t, e); after.Keys != s.Keys {
		t.Fatalf("a write that cannot fit evicted %d entries", s.Keys-after.Keys)
	}
}

func TestEvictionPrefersUnusedEntries(t *testing.T) {
	e := open(t, memory.Options{MaxMemory: 4 * room, OnFull: memory.Evict})
	const hot = 500
	for i := range hot {
		do(t, e, set(fmt.Sprint("hot/", i), strings.Repeat("v", 100)))
	}
	for i := range 30_000 {
		do(t, e, set(fmt.Sprint("cold/", i), strings.Repeat("v", 100)))
		_, _ = e.Do(t.Context(), get(fmt.Sprint("hot/", i%hot)))
	}
	page, err := e.List(t.Context(), store.ListRequest{Prefix: "hot/", Limit: hot, MaxBytes: room})
	if err != nil || len(page.Entries) < hot*98/100 {
		t.Fatalf("%d of %d frequently read entries are left; %v", len(page.Entries), hot, err)
	}
}

func TestWatchesDeliverEvictions(t *testing.T) {
	e := open(t, memory.Options{MaxMemory: room, OnFull: memory.Evict, HistoryBytes: 1 << 20})
	w, err := e.Watch(t.Context(), store.WatchRequest{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	alive := map[string]bool{}
	for i := range 2000 {
		do(t, e, set(fmt.Sprint(i), strings.Repeat("v", 200)))
	}
	do(t, e, set("end", ""))
	for !alive["end"] {
		event, err := w.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		switch event.Type {
		case store.Put:
			alive[event.Entry.Key] = true
		case store.Evicted:
			delete(alive, event.Entry.Key)
		}
	}
	if s := stats(t, e); s.Keys != int64(len(alive)) || s.Evictions == 0 {
		t.Fatalf("the watch reported %d remaining entries, want %d", len(alive), s.Keys)
	}
}

func TestMemoryBytesMatchesTheHeap(t *testing.T) {
	e := open(t, memory.Options{HistoryBytes: 1})
	before := heap()
	random := rand.New(rand.NewPCG(1, 2))
	value := strings.Repeat("v", 300)
	for range 50_000 {
		do(t, e, set(fmt.Sprint(random.IntN(40_000)), value[:random.IntN(len(value))]))
	}
	if got, want := stats(t, e).MemoryBytes, heap()-before; got < want || got > want*11/10 {
		t.Fatalf("MemoryBytes is %d, the objects take %d", got, want)
	}
}

// heap returns the bytes of live heap objects, without the allocator's overhead.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
