package memory_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
	"unsafe"

	"key-value/internal/server/gctune"
	"key-value/kvservice/store"
	"key-value/kvservice/store/memory"
)

// sizes are the numbers of entries that the benchmarks use: 10,000 and 1,000,000, or KV_BENCH_ENTRIES.
func sizes(b *testing.B) []int {
	text := os.Getenv("KV_BENCH_ENTRIES")
	if text == "" {
		return []int{10_000, 1_000_000}
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		b.Fatal(err)
	}
	return []int{n}
}

// benchmark runs a benchmark on an engine of each size, with 16-byte keys and 64-byte values.
func benchmark(b *testing.B, run func(b *testing.B, e *memory.Engine, n int)) {
	for _, n := range sizes(b) {
		e := memory.New(memory.Options{})
		for _, i := range rand.Perm(n) {
			write(b, e, benchKey(i), 0)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			run(b, e, n)
		})
		if err := e.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func benchKey(i int) string { return string(newSequence(1).write(i)) }

func write(b *testing.B, e *memory.Engine, key string, ttl time.Duration) {
	op := store.Operation{Kind: store.Set, Key: key, Value: make([]byte, 64), TTL: ttl}
	if _, err := e.Do(context.Background(), op); err != nil {
		b.Fatal(err)
	}
}

// sequence draws random keys of a store with n entries. It keeps no list of keys, which would compete for the
// processor's caches, and allocates nothing: a key is valid until the next one is drawn.
type sequence struct {
	n      int
	random *rand.Rand
	key    []byte
}

func newSequence(n int) *sequence {
	return &sequence{n, rand.New(rand.NewPCG(uint64(n), 7)), []byte("key/000000000000")}
}

func (s *sequence) next() string {
	return unsafe.String(unsafe.SliceData(s.write(s.random.IntN(s.n))), len(s.key))
}

func (s *sequence) write(i int) []byte {
	for at := len(s.key) - 1; s.key[at] != '/'; at-- {
		s.key[at] = '0' + byte(i%10)
		i /= 10
	}
	return s.key
}

func BenchmarkGet(b *testing.B) {
	benchmark(b, func(b *testing.B, e *memory.Engine, n int) {
		for keys := newSequence(n); b.Loop(); {
			if _, err := e.Do(context.Background(), store.Operation{Kind: store.Get, Key: keys.next()}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkOneMiss measures a chain of dependent reads from as many 128-byte objects as there are entries. It is a
// lower bound for a lookup, which has to read the entry itself: a lookup takes that plus what it takes when all is
// cached.
func BenchmarkOneMiss(b *testing.B) {
	for _, n := range sizes(b) {
		places := make([][16]int, n)
		cycle := rand.Perm(n)
		for i, at := range cycle {
			places[at][0] = cycle[(i+1)%n]
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			at := 0
			for b.Loop() {
				at = places[at][0]
			}
		})
	}
}

func BenchmarkGetParallel(b *testing.B) {
	benchmark(b, func(b *testing.B, e *memory.Engine, n int) {
		b.RunParallel(func(pb *testing.PB) {
			for keys := newSequence(n); pb.Next(); {
				if _, err := e.Do(context.Background(), store.Operation{Kind: store.Get, Key: keys.next()}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}

func BenchmarkSet(b *testing.B) {
	benchmark(b, func(b *testing.B, e *memory.Engine, n int) {
		value := make([]byte, 64)
		for keys := newSequence(n); b.Loop(); {
			op := store.Operation{Kind: store.Set, Key: keys.next(), Value: value, TTL: time.Hour}
			if _, err := e.Do(context.Background(), op); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkListPageOf100(b *testing.B) {
	benchmark(b, func(b *testing.B, e *memory.Engine, n int) {
		for keys := newSequence(n - 101); b.Loop(); {
			req := store.ListRequest{After: keys.next(), Limit: 100, MaxBytes: 1 << 20}
			if page, err := e.List(context.Background(), req); err != nil || len(page.Entries) != 100 {
				b.Fatal(len(page.Entries), err)
			}
		}
	})
}

// BenchmarkFirstLevel lists the first level of a store whose keys are in 20 folders. KV_BENCH_ENTRIES=10000000 gives it ten
// million keys.
func BenchmarkFirstLevel(b *testing.B) {
	const folders = 20
	for _, n := range sizes(b) {
		e := memory.New(memory.Options{})
		for i := range n {
			write(b, e, fmt.Sprintf("folder%02d/%09d", i%folders, i/folders), 0)
		}
		for _, reverse := range []bool{false, true} {
			b.Run(fmt.Sprintf("%d/reverse=%t", n, reverse), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					req := store.ListRequest{Delimiter: "/", Limit: 100, MaxBytes: 1 << 20, Reverse: reverse}
					if page, err := e.List(context.Background(), req); err != nil || len(page.Prefixes) != folders || page.More {
						b.Fatal(page, err)
					}
				}
			})
		}
		if err := e.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDeleteRange measures a call that deletes 1,000 entries, for which writers wait, and its dry run.
func BenchmarkDeleteRange(b *testing.B) {
	const part = 1000
	benchmark(b, func(b *testing.B, e *memory.Engine, _ int) {
		for _, dry := range []bool{false, true} {
			b.Run(fmt.Sprintf("dry=%t", dry), func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					for i := range part {
						write(b, e, fmt.Sprintf("part/%04d", i), 0)
					}
					b.StartTimer()
					req := store.RangeRequest{Prefix: "part/", Limit: part, DryRun: dry}
					if result, err := e.DeleteRange(context.Background(), req); err != nil || result.Deleted != part {
						b.Fatal(result, err)
					}
				}
			})
		}
	})
}

// BenchmarkSetBesideWatches measures sets of one key while 10,000 watches wait for changes to others, which should
// cost the writer next to nothing. Fresh stores with and without watches alternate, under the garbage collector
// policy of the real programs. The ratio is between the medians of their 99th percentiles.
func BenchmarkSetBesideWatches(b *testing.B) {
	gctune.Default.Follow()
	for _, c := range []struct {
		name string
		req  func(i int) store.WatchRequest
	}{
		{"of other keys", func(i int) store.WatchRequest { return store.WatchRequest{Key: benchKey(i)} }},
		{"of other prefixes", func(i int) store.WatchRequest { return store.WatchRequest{Prefix: benchKey(i)[:14+i%3]} }},
	} {
		b.Run(c.name, func(b *testing.B) {
			var alone, beside []float64
			for b.Loop() {
				alone = append(alone, p99OfSets(b, 0, c.req))
				beside = append(beside, p99OfSets(b, 10_000, c.req))
			}
			b.ReportMetric(median(alone), "p99-ns-alone")
			b.ReportMetric(median(beside), "p99-ns-beside")
			b.ReportMetric(median(beside)/median(alone), "ratio")
		})
	}
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// p99OfSets returns the 99th percentile of the duration of a set of one key while that many watches are open, in
// nanoseconds.
func p99OfSets(b *testing.B, watches int, req func(i int) store.WatchRequest) float64 {
	e := memory.New(memory.Options{})
	for i := range 200_000 { // so that garbage is collected as rarely as in a large store
		write(b, e, fmt.Sprint("other/", i), 0)
	}
	for i := range watches {
		follow(b, e, req(i))
	}
	times := make([]time.Duration, 200_000)
	for i := range times {
		begin := time.Now()
		write(b, e, "written", 0)
		times[i] = time.Since(begin)
	}
	if err := e.Close(); err != nil {
		b.Fatal(err)
	}
	slices.Sort(times)
	return float64(times[len(times)*99/100])
}

// follow reads from a watch until the engine is closed.
func follow(b *testing.B, e *memory.Engine, req store.WatchRequest) {
	w, err := e.Watch(context.Background(), req)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := w.Next(context.Background()); err != nil {
		b.Fatal(err)
	}
	go func() {
		defer w.Close()
		for {
			if _, err := w.Next(context.Background()); err != nil {
				return
			}
		}
	}()
}

// BenchmarkWatchFanOut measures how long it takes until all watches of one key have received a change.
func BenchmarkWatchFanOut(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			e := memory.New(memory.Options{})
			var had sync.WaitGroup
			for range n {
				w, err := e.Watch(context.Background(), store.WatchRequest{Key: "k"})
				if err != nil {
					b.Fatal(err)
				}
				had.Add(1)
				go func() {
					defer w.Close()
					for {
						if _, err := w.Next(context.Background()); err != nil {
							return
						}
						had.Done()
					}
				}()
			}
			had.Wait()
			b.ReportAllocs()
			for b.Loop() {
				had.Add(n)
				write(b, e, "k", 0)
				had.Wait()
			}
			if err := e.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
