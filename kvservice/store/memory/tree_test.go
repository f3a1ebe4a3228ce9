package memory_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"key-value/kvservice/store"
	"key-value/kvservice/store/memory"
)

// workload chooses random writes.
type workload struct {
	name   string
	key    func(r *rand.Rand, i int) string
	delete func(i int) float64 // the probability that write i is a delete
}

func random(space int) func(*rand.Rand, int) string {
	return func(r *rand.Rand, _ int) string { return fmt.Sprintf("key/%d", r.IntN(space)) }
}

func TestTreeKeepsItsInvariants(t *testing.T) {
	const writes = 10_000
	for _, w := range []workload{
		{"keys in ascending order", func(_ *rand.Rand, i int) string { return fmt.Sprintf("%06d", i) },
			func(int) float64 { return 0 }},
		{"keys in descending order", func(_ *rand.Rand, i int) string { return fmt.Sprintf("%06d", writes-i) },
			func(int) float64 { return 0 }},
		{"a store that grows and then becomes empty", random(5_000),
			func(i int) float64 { return float64(i/(writes/2)) * 0.97 }},
		{"a store that grows and shrinks alternately", random(5_000),
			func(i int) float64 { return float64(i / 2_000 % 2) }},
		{"keys with a long common prefix", func(r *rand.Rand, _ int) string {
			return fmt.Sprintf("%0*d", 1+r.IntN(40), r.IntN(5_000))
		}, func(int) float64 { return 0.4 }},
		{"blocks of keys that come and go", func(r *rand.Rand, i int) string {
			block := rand.New(rand.NewPCG(uint64(i/60), 0)).IntN(30)
			return fmt.Sprintf("%04d", 100*block+r.IntN(100))
		}, func(i int) float64 { return 0.05 + 0.9*float64(i/60%3) }},
	} {
		t.Run(w.name, func(t *testing.T) { w.run(t, open(t, memory.Options{}), writes) })
		t.Run(w.name+", in a deep tree", func(t *testing.T) { w.run(t, deep(t), writes) })
	}
}

func (w workload) run(t *testing.T, e *memory.Engine, writes int) {
	r := rand.New(rand.NewPCG(1, 2))
	model := map[string]string{}
	for i := range writes {
		op := store.Operation{Kind: store.Set, Key: w.key(r, i), Value: fmt.Append(nil, i)}
		if r.Float64() < w.delete(i) {
			op.Kind = store.Delete
			delete(model, op.Key)
		} else {
			model[op.Key] = string(op.Value)
		}
		if _, err := e.Do(t.Context(), op); err != nil {
			t.Fatal(err)
		}
		if i%2000 == 0 || i == writes-1 {
			same(t, e, model)
		}
	}
}

// same checks that e's tree is valid and has exactly the entries of model.
func same(t *testing.T, e *memory.Engine, model map[string]string) {
	t.Helper()
	if err := e.Verify(); err != nil {
		t.Fatal(err)
	}
	page, err := e.List(t.Context(), store.ListRequest{Limit: 1 << 20, MaxBytes: 1 << 30})
	if err != nil || len(page.Entries) != len(model) {
		t.Fatalf("list returned %d entries, want %d; %v", len(page.Entries), len(model), err)
	}
	if !slices.IsSortedFunc(page.Entries, func(a, b store.Entry) int { return slices.Compare([]byte(a.Key), []byte(b.Key)) }) {
		t.Fatal("entries are not in order")
	}
	for key, value := range model {
		result, err := e.Do(context.Background(), store.Operation{Kind: store.Get, Key: key})
		if err != nil || string(result.Entry.Value) != value {
			t.Fatalf("get %q = %q, %v, want %q", key, result.Entry.Value, err, value)
		}
	}
}

func TestTreeSurvivesFailedBatches(t *testing.T) {
	e := deep(t)
	r := rand.New(rand.NewPCG(3, 4))
	model := map[string]string{}
	for i := range 150 {
		ops, after := randomBatch(r, i, model)
		fails := i%3 == 0
		if fails {
			ops = append(ops, store.Operation{Kind: store.Get, Key: "nope"})
		}
		_, err := e.Batch(t.Context(), ops, true)
		if errors.Is(err, store.ErrNotFound) != fails {
			t.Fatalf("batch %d: %v", i, err)
		}
		if !fails {
			model = after
		}
		if i%50 == 0 {
			same(t, e, model)
		}
	}
	same(t, e, model)
}

func randomBatch(r *rand.Rand, i int, model map[string]string) ([]store.Operation, map[string]string) {
	after := map[string]string{}
	for key, value := range model {
		after[key] = value
	}
	var ops []store.Operation
	for range r.IntN(300) {
		op := store.Operation{Kind: store.Set, Key: fmt.Sprint(r.IntN(20_000)), Value: fmt.Append(nil, i)}
		after[op.Key] = string(op.Value)
		if r.IntN(3) == 0 {
			op.Kind = store.Delete
			delete(after, op.Key)
		}
		ops = append(ops, op)
	}
	return ops, after
}

func TestTreeRemovesExpiredEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := deep(t)
		r := rand.New(rand.NewPCG(5, 6))
		ends := map[string]time.Time{}
		for i := range 10_000 {
			key, ttl := fmt.Sprint(r.IntN(5_000)), time.Duration(1+r.IntN(1000))*time.Millisecond
			if i%10 == 0 {
				ttl += time.Hour
			}
			if _, err := e.Do(t.Context(), store.Operation{Kind: store.Set, Key: key, TTL: ttl}); err != nil {
				t.Fatal(err)
			}
			ends[key] = time.Now().Add(ttl)
			if i%100 == 0 {
				time.Sleep(10 * time.Millisecond)
				synctest.Wait()
				wantAlive(t, e, ends)
			}
		}
	})
}

// wantAlive checks that e has exactly the keys that have not expired.
func wantAlive(t *testing.T, e *memory.Engine, ends map[string]time.Time) {
	t.Helper()
	if err := e.Verify(); err != nil {
		t.Fatal(err)
	}
	alive := int64(0)
	for _, end := range ends {
		if end.After(time.Now()) {
			alive++
		}
	}
	if stats, err := e.Stats(t.Context()); err != nil || stats.Keys != alive {
		t.Fatalf("stats count %d keys, want %d; %v", stats.Keys, alive, err)
	}
}

// When the first child of a branch is removed, the next one takes over its range. Keys that are then added in that
// range must still be found after the branch is merged with the one before or after it.
func TestMergedBranchesKeepTheirKeys(t *testing.T) {
	for _, last := range []string{"the branch before", "the branch itself"} {
		t.Run(last+" shrinks last", func(t *testing.T) {
			e := deep(t)
			model := map[string]string{}
			change := func(from, to int, remove bool) {
				for i := from; i < to; i++ {
					key := fmt.Sprintf("%04d", i)
					if model[key] = "v"; remove {
						do(t, e, del(key))
						delete(model, key)
					} else {
						do(t, e, set(key, "v"))
					}
				}
				same(t, e, model)
			}
			change(0, 300, false) // leaves of 8 keys, branches of 12 leaves
			change(96, 104, true) // the first leaf of the second branch
			change(100, 101, false)
			shrinks := []func(){func() { change(112, 300, true) }, func() { change(0, 80, true) }}
			if last == "the branch itself" {
				slices.Reverse(shrinks)
			}
			for _, shrink := range shrinks {
				shrink()
			}
		})
	}
}

// A key that is deleted and set again may move to another slot of its leaf while a page is read.
func TestPageHasNoDuplicateKeys(t *testing.T) {
	e := open(t, memory.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	var writer sync.WaitGroup
	writer.Go(func() {
		for ctx.Err() == nil {
			for _, op := range []store.Operation{set("a", ""), set("b", ""), del("a"), del("b"), set("b", ""), set("a", ""), del("b"), del("a")} {
				_, _ = e.Do(ctx, op)
			}
		}
	})
	defer writer.Wait()
	defer cancel()
	for range 20_000 {
		page, err := e.List(t.Context(), store.ListRequest{Limit: 10, MaxBytes: 1000})
		if err != nil || len(page.Entries) > 2 || len(page.Entries) == 2 && page.Entries[0].Key == page.Entries[1].Key {
			t.Fatalf("page is %+v; %v", page, err)
		}
	}
}

// A sample of at least as many entries as there are has all of them.
func TestASmallStoreIsSampledWhole(t *testing.T) {
	t.Parallel()
	const stored = 1000
	e := closed(t, memory.New(memory.Options{}))
	for i := range stored {
		if _, err := e.Do(t.Context(), store.Operation{Kind: store.Set, Key: fmt.Sprint("key-", i)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range []int{stored, stored + 1} {
		var entries, weight int64
		if err := e.Sample(t.Context(), n, func(_ string, _, w int64) { entries, weight = entries+1, max(weight, w) }); err != nil {
			t.Fatal(err)
		}
		if entries != stored || weight != 1 {
			t.Errorf("a sample of %d of %d entries has %d of weight %d, want all of weight 1", n, stored, entries, weight)
		}
	}
}
