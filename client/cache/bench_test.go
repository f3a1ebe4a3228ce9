package cache_test

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"key-value/client"
	"key-value/client/cache"
)

// BenchmarkGet reads a million entries with 8 goroutines, beside a sync.Map that was filled from a list. See docs/benchmarks.md.
func BenchmarkGet(b *testing.B) {
	entries, _ := strconv.Atoi(cmp.Or(os.Getenv("KV_ENTRIES"), "1000000"))
	engine := newEngine(b)
	kv := dial(b, serve(b, engine))
	keys := make([]string, entries)
	for i := range keys {
		keys[i] = fmt.Sprintf("key-%012d", i)
	}
	for some := range slices.Chunk(keys, 1000) {
		ops := make([]client.Operation, len(some))
		for i, key := range some {
			ops[i] = client.OpSet(key, make([]byte, 64))
		}
		if _, err := kv.Batch(b.Context(), ops...); err != nil {
			b.Fatal(err)
		}
	}
	c, err := cache.New(b.Context(), kv)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	var reference sync.Map
	for entry, err := range kv.List(b.Context(), "", client.PageSize(1000)) {
		if err != nil {
			b.Fatal(err)
		}
		reference.Store(entry.Key, entry)
	}
	rand.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	get := map[string]func(key string) (client.Entry, bool){
		"cache": c.Get,
		"sync.Map": func(key string) (client.Entry, bool) {
			value, ok := reference.Load(key)
			if !ok {
				return client.Entry{}, false
			}
			return value.(client.Entry), true
		},
	}
	for range 3 { // in turns
		for _, name := range []string{"cache", "sync.Map"} {
			b.Run(name, func(b *testing.B) { readAll(b, keys, get[name]) })
		}
	}
}

// readAll reads b.N keys with 8 goroutines.
func readAll(b *testing.B, keys []string, get func(key string) (client.Entry, bool)) {
	b.ReportAllocs()
	const readers = 8
	var all sync.WaitGroup
	for r := range readers {
		all.Go(func() {
			for i, at := 0, r*len(keys)/readers; i < b.N/readers; i++ {
				if _, ok := get(keys[at]); !ok {
					b.Error("a key is not there")
					return
				}
				if at++; at == len(keys) {
					at = 0
				}
			}
		})
	}
	all.Wait()
}

// BenchmarkChange measures how long it takes until a change is in each of 1,000 caches, which share a process with the store. See
// docs/benchmarks.md.
func BenchmarkChange(b *testing.B) {
	const caches, connections = 1000, 10
	url := serve(b, newEngine(b))
	kv := dial(b, url)
	arrived := make(chan time.Time, caches)
	var clients []*client.Client
	for range connections {
		clients = append(clients, dial(b, url))
	}
	for i := range caches {
		c, err := cache.New(b.Context(), clients[i%connections], cache.Prefix("config/"), cache.Log(slog.New(slog.DiscardHandler)))
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		c.OnChange(func(string, client.Entry, bool) { arrived <- time.Now() })
	}
	var took []time.Duration
	value := []byte(strings.Repeat("x", 64))
	for b.Loop() {
		time.Sleep(50 * time.Millisecond) // one change at a time
		sent := time.Now()
		if _, _, err := kv.Set(context.Background(), "config/a", value); err != nil {
			b.Fatal(err)
		}
		for range caches {
			took = append(took, (<-arrived).Sub(sent))
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2])/1e6, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100])/1e6, "p99-ms")
	b.ReportMetric(0, "ns/op")
}
