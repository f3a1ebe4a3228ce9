package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"key-value/kvservice/store"
)

// Soak checks concurrent calls and watches as [Run] does, with new seeds, for the duration in the environment
// variable KV_SOAK, such as "10m". It logs how much it checked. Without the variable it skips the test.
func Soak(t *testing.T, open func(t *testing.T) store.Engine) {
	text := os.Getenv("KV_SOAK")
	if text == "" {
		t.Skip("KV_SOAK is not set")
	}
	lasts, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("KV_SOAK: %v", err)
	}
	s := soak{engine: open(t), first: rand.Uint64() >> 32}
	s.next = s.first
	for end := time.Now().Add(lasts); time.Now().Before(end); s.next++ {
		if err := s.round(t.Context()); err != nil {
			t.Fatalf("seed %d: %v", s.next, err)
		}
	}
	t.Logf("%d calls in %d histories are linearizable, and %d changes were watched without a gap; seeds %d to %d",
		s.calls, s.histories, s.changes, s.first, s.next-1)
}

// soak is the state of a soak test.
type soak struct {
	engine                    store.Engine
	first, next               uint64 // seeds
	calls, histories, changes int
}

// round runs the checks for the next seed.
func (s *soak) round(ctx context.Context) error {
	w := Workload{Clients: 2 + int(s.next%7), Calls: 50, Batches: s.next%2 == 0, Seed: s.next}
	group := fmt.Sprintf("soak/%d/", s.next)
	if w.Batches {
		group = colocated(fmt.Sprint(s.next))
	}
	for i := range 1 + s.next%4 {
		w.Keys = append(w.Keys, fmt.Sprint(group, i))
	}
	calls := w.Run(ctx, s.engine)
	s.calls += len(calls)
	s.histories++
	if err := CheckLinearizable(calls, searchPatience); err != nil {
		return err
	}
	if s.next%10 != 0 {
		return nil
	}
	j := Journal{Prefix: fmt.Sprintf("soak/%d/", s.next), Writers: 4, Changes: 200, Seed: s.next}
	s.changes += j.Writers*j.Changes + 1
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return followWriters(ctx, s.engine, j, s.next%20 == 0)
}
