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

	"key-value/kvservice/store"
	"key-value/kvservice/store/memory"
)

// sizes are how many entries the benchmarks hold: 10,000 and 1,000,000, or what KV_BENCH_ENTRIES says.
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

// benchmark runs a benchmark on an engine of each size, with keys of 16 bytes and values of 64.
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

// sequence draws keys of a store of n entries. It keeps no list of them, which would be in the way in the
// processor's caches, and allocates nothing: a key is good until the next one is drawn.
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

// BenchmarkSetBesideWatches measures 20,000 sets of one key while 10,000 watches wait for changes to others,
// which should cost the writer next to nothing.
func BenchmarkSetBesideWatches(b *testing.B) {
	const watches = 10_000
	for _, c := range []struct {
		name string
		n    int
		req  func(i int) store.WatchRequest
	}{
		{"none", 0, nil},
		{"10000 of other keys", watches, func(i int) store.WatchRequest { return store.WatchRequest{Key: benchKey(i)} }},
		{"10000 of other prefixes", watches, func(i int) store.WatchRequest { return store.WatchRequest{Prefix: benchKey(i)[:14+i%3]} }},
	} {
		b.Run(c.name, func(b *testing.B) {
			e := memory.New(memory.Options{})
			for i := range 200_000 { // so that garbage is collected as seldom as in a store of some size
				write(b, e, fmt.Sprint("other/", i), 0)
			}
			for i := range c.n {
				follow(b, e, c.req(i))
			}
			var times []time.Duration
			for b.Loop() {
				for range 20_000 {
					begin := time.Now()
					write(b, e, "written", 0)
					times = append(times, time.Since(begin))
				}
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)/2]), "p50-ns")
			b.ReportMetric(float64(times[len(times)*99/100]), "p99-ns")
			if err := e.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// follow reads a watch until the engine is closed.
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

// BenchmarkWatchFanOut measures how long it takes until all of so many watches of one key have a change.
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
