package redis_test

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"key-value/internal/testkit/rediscluster"
	"key-value/kvservice/store"
	"key-value/kvservice/store/redis"
)

const mebibyte = 1 << 20

// heap returns how many bytes are in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// keepLittle checks that after what happened the heap has grown by at most most bytes since before. It waits, because what has
// come to an end is not let go of at once.
func keepLittle(t *testing.T, what string, before, most int64) {
	t.Helper()
	eventually(t, what, func() error {
		if grown := heap() - before; grown > most {
			return fmt.Errorf("%d MiB are kept, want at most %d", grown>>20, most>>20)
		}
		return nil
	})
}

// Not in parallel, because they measure the memory of the process.
func TestAWatchWhoseReaderStopsKeepsNoEntries(t *testing.T) {
	const watches, resumed, values, mostGrown = 20, 5, 40, 24 * mebibyte
	e := open(t, rediscluster.StartTest(t, rediscluster.Config{}), redis.Options{Shards: 8, HistoryBytes: 1 << 30})
	value := strings.Repeat("v", mebibyte)
	live, err := e.Watch(t.Context(), store.WatchRequest{})
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	token := next(t, live).Token
	all := make([]store.Watcher, watches)
	for i := range all {
		all[i] = watch(t, e, store.WatchRequest{Prefix: fmt.Sprint(i, "/")})
	}
	before := heap()
	for i := range values {
		do(t, e, set(fmt.Sprint(i%watches, "/", i), value))
	}
	for range values {
		next(t, live) // the dispatcher has delivered it
	}
	keepLittle(t, fmt.Sprintf("%d watches whose readers have stopped", watches), before, mostGrown)
	for i, w := range all {
		for n := range values / watches {
			if key := next(t, w).Entry.Key; key != fmt.Sprint(i, "/", i+n*watches) {
				t.Errorf("watch %d: event %d is about %s", i, n, key)
			}
		}
	}

	for name, req := range map[string]store.WatchRequest{
		"a snapshot": {Snapshot: true}, "changes since a token": {Resume: token}, "changes to a prefix": {Prefix: "1", Resume: token},
	} {
		before := heap()
		for range resumed {
			watch(t, e, req)
		}
		keepLittle(t, fmt.Sprintf("%d watches that stopped after the first event of %s", resumed, name), before, mostGrown)
	}
}

func TestAListReadsAboutWhatItReturns(t *testing.T) {
	const values, most = 60, 8 * mebibyte
	e := open(t, rediscluster.StartTest(t, rediscluster.Config{}), redis.Options{Shards: 8})
	for i := range values {
		do(t, e, set(fmt.Sprintf("k/%03d", i), strings.Repeat("v", mebibyte)))
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	page, err := e.List(t.Context(), store.ListRequest{Prefix: "k/", Limit: values, MaxBytes: mebibyte})
	runtime.ReadMemStats(&after)
	if err != nil || len(page.Entries) != 1 || !page.More {
		t.Fatalf("list = %d entries, %v, want one", len(page.Entries), err)
	}
	if read := after.TotalAlloc - before.TotalAlloc; read > most {
		t.Errorf("a page of a single value of 1 MiB allocates %d MiB, want at most %d", read>>20, most>>20)
	}
}

// Keys with the same tag are in one shard, and so is what a listing of them reads.
func TestAListOfATagAsksOneShard(t *testing.T) {
	nodes := rediscluster.StartTest(t, rediscluster.Config{})
	e := open(t, nodes, redis.Options{Shards: 8})
	for i := range 300 {
		do(t, e, set(fmt.Sprintf("locks/{a}/%03d", i), ""))
		do(t, e, set(fmt.Sprintf("locks/%03d", i), ""))
	}
	for prefix, most := range map[string]int{"locks/{a}/": 2, "locks/{a}": 2} {
		ask(t, nodes.Nodes()[0], "CONFIG", "RESETSTAT")
		page, err := e.List(t.Context(), store.ListRequest{Prefix: prefix, Limit: 1000, MaxBytes: mebibyte})
		if err != nil || len(page.Entries) != 300 {
			t.Errorf("list of %s = %d entries, %v, want 300", prefix, len(page.Entries), err)
		}
		answer := ask(t, nodes.Nodes()[0], "INFO", "commandstats")
		stats, err := answer.ToString()
		if err != nil {
			t.Fatal(err)
		}
		_, calls, _ := strings.Cut(stats, "cmdstat_zrange:calls=")
		calls, _, _ = strings.Cut(calls, ",")
		if n, err := strconv.Atoi(calls); err != nil || n > most {
			t.Errorf("list of %s takes %q reads of the index, want at most %d", prefix, calls, most)
		}
	}
	for prefix, want := range map[string]int{"locks/{": 300, "locks/": 600, "locks/{}": 0} {
		page, err := e.List(t.Context(), store.ListRequest{Prefix: prefix, Limit: 1000, MaxBytes: mebibyte})
		if err != nil || len(page.Entries) != want {
			t.Errorf("list of %s = %d entries, %v, want %d", prefix, len(page.Entries), err, want)
		}
	}
}

func TestAListReservesWhatItReads(t *testing.T) {
	const values, room = 20, 5 * mebibyte
	e := open(t, rediscluster.StartTest(t, rediscluster.Config{}), redis.Options{Shards: 8})
	for i := range values {
		do(t, e, set(fmt.Sprint("k/", i), strings.Repeat("v", mebibyte)))
	}
	reserved, overloaded := 0, errors.New("no memory")
	req := store.ListRequest{Prefix: "k/", Limit: values, MaxBytes: 100 * mebibyte, Reserve: func(n int) error {
		if reserved += n; reserved > room {
			return overloaded
		}
		return nil
	}}
	if _, err := e.List(t.Context(), req); !errors.Is(err, overloaded) || reserved > room+2*mebibyte {
		t.Errorf("list = %v after %d bytes, want the error of Reserve", err, reserved)
	}
	reserved, req.MaxBytes = 0, 3*mebibyte
	if page, err := e.List(t.Context(), req); err != nil || reserved < len(page.Entries)*mebibyte {
		t.Errorf("list = %d entries, %v with %d bytes reserved, want 1 MiB for each", len(page.Entries), err, reserved)
	}
}

func TestABatchReadsAboutWhatItReturns(t *testing.T) {
	const values, gets, most = 16, 200, 48 * mebibyte
	e := open(t, rediscluster.StartTest(t, rediscluster.Config{}), redis.Options{Shards: 8})
	value := strings.Repeat("v", mebibyte)
	for i := range values {
		do(t, e, set(fmt.Sprint("k/", i), value))
		do(t, e, set(fmt.Sprint("{k}/", i), value))
	}
	for name, test := range map[string]struct {
		prefix string
		writes int
		atomic bool
		whole  int // how many values are returned at least
	}{
		"gets":             {"k/", 0, false, 8},
		"gets and writes":  {"k/", 20, false, 8},
		"of one shard":     {"{k}/", 0, false, 8},
		"of an atomic one": {"{k}/", 1, true, 8},
	} {
		var ops []store.Operation
		for i := range gets {
			ops = append(ops, get(fmt.Sprint(test.prefix, i%values)))
		}
		for i := range test.writes {
			ops = append(ops, set(fmt.Sprint(test.prefix, "new", i), ""))
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		results, err := e.Batch(t.Context(), ops, test.atomic)
		runtime.ReadMemStats(&after)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		whole := 0
		for i, r := range results {
			switch {
			case r.Err == nil && i < gets && string(r.Entry.Value) == value:
				whole++
			case r.Err != nil && !errors.Is(r.Err, store.ErrLeftOut):
				t.Errorf("%s: operation %d = %v", name, i, r.Err)
			}
		}
		if read := after.TotalAlloc - before.TotalAlloc; whole < test.whole || read > most {
			t.Errorf("%s: %d of %d values of 1 MiB are returned, which allocates %d MiB; want at least %d and at most %d MiB",
				name, whole, gets, read>>20, test.whole, most>>20)
		}
	}
}
