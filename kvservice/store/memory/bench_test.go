package memory_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
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
