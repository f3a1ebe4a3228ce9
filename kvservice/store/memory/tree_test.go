package memory_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"key-value/kvservice/store"
	"key-value/kvservice/store/memory"
)

// steer is how a run of random writes chooses them.
type steer struct {
	name   string
	key    func(r *rand.Rand, i int) string
	delete func(i int) float64 // the probability that write i is a delete
}

func random(space int) func(*rand.Rand, int) string {
	return func(r *rand.Rand, _ int) string { return fmt.Sprintf("key/%d", r.IntN(space)) }
}

func TestTreeStaysWhole(t *testing.T) {
	const writes = 20_000
	for _, s := range []steer{
		{"keys in ascending order", func(_ *rand.Rand, i int) string { return fmt.Sprintf("%06d", i) },
			func(int) float64 { return 0 }},
		{"keys in descending order", func(_ *rand.Rand, i int) string { return fmt.Sprintf("%06d", writes-i) },
			func(int) float64 { return 0 }},
		{"a store that grows and then shrinks to nothing", random(8_000),
			func(i int) float64 { return float64(i/(writes/2)) * 0.97 }},
		{"a store that grows and shrinks in turns", random(8_000),
			func(i int) float64 { return float64(i / 4_000 % 2) }},
		{"keys with a long common part", func(r *rand.Rand, _ int) string {
			return fmt.Sprintf("%0*d", 1+r.IntN(40), r.IntN(8_000))
		}, func(int) float64 { return 0.4 }},
	} {
		t.Run(s.name, func(t *testing.T) { s.run(t, open(t, memory.Options{}), writes) })
	}
}

func (s steer) run(t *testing.T, e *memory.Engine, writes int) {
	r := rand.New(rand.NewPCG(1, 2))
	model := map[string]string{}
	for i := range writes {
		op := store.Operation{Kind: store.Set, Key: s.key(r, i), Value: fmt.Append(nil, i)}
		if r.Float64() < s.delete(i) {
			op.Kind = store.Delete
			delete(model, op.Key)
		} else {
			model[op.Key] = string(op.Value)
		}
		if _, err := e.Do(t.Context(), op); err != nil {
			t.Fatal(err)
		}
		if i%4000 == 0 || i == writes-1 {
			same(t, e, model)
		}
	}
}

// same checks that e is whole and has the entries of model.
func same(t *testing.T, e *memory.Engine, model map[string]string) {
	t.Helper()
	if err := e.Verify(); err != nil {
		t.Fatal(err)
	}
	page, err := e.List(t.Context(), store.ListRequest{Limit: 1 << 20, MaxBytes: 1 << 30})
	if err != nil || len(page.Entries) != len(model) {
		t.Fatalf("%d entries are listed, want %d; %v", len(page.Entries), len(model), err)
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

func TestTreeIsWholeAfterBatchesThatFail(t *testing.T) {
	e := open(t, memory.Options{})
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

func TestTreeForgetsWhatExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := open(t, memory.Options{})
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

// wantAlive checks that e has just the keys that have not come to their end.
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
		t.Fatalf("%d keys are left, want %d; %v", stats.Keys, alive, err)
	}
}

func TestSizesAreThoseOfTheAllocator(t *testing.T) {
	for _, n := range []int{1, 8, 9, 31, 112, 113, 600, 1024, 1025, 5000, 32_768, 32_769, 100_000} {
		if got, want := memory.AllocatedBytes(n), int64(cap(append([]byte(nil), make([]byte, n)...))); got != want {
			t.Errorf("allocated(%d) = %d, want %d", n, got, want)
		}
	}
}
