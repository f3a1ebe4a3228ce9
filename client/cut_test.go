package client_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"key-value/client"
	"key-value/internal/testkit/cutproxy"
	"key-value/kvservice/store"
)

// newSeed returns a random seed, which is logged if the test fails.
func newSeed(t *testing.T) uint64 {
	seed := rand.Uint64()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed: %d", seed)
		}
	})
	return seed
}

// randomCuts returns a function that draws after how many bytes to cut a connection: at least 200, fewer than 200+most.
func randomCuts(seed uint64) func(most int64) int64 {
	random := rand.New(rand.NewPCG(seed, 1<<32))
	return func(most int64) int64 { return 200 + random.Int64N(most) }
}

func TestAWatchThatIsCutReportsEachChangeOnceAndInOrder(t *testing.T) {
	t.Parallel()
	seed, engine := newSeed(t), newEngine(t)
	recorder, err := engine.Watch(t.Context(), store.WatchRequest{})
	if err != nil {
		t.Fatal(err)
	}
	defer recorder.Close()
	url := serveEngine(t, engine)
	direct, cuts := dial(t, url), randomCuts(seed)
	p := cutproxy.New(t, url, func() int64 { return cuts(2_000) })

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var done [][]string
	var writers sync.WaitGroup
	defer writers.Wait()
	begin := sync.OnceFunc(func() { writers.Go(func() { done = write(t, direct, seed, 200) }) })
	var reported []change
	for event, err := range dial(t, p.URL).Watch(ctx, "") {
		if err != nil {
			t.Fatalf("the watch ended with %v after %d events", err, len(reported))
		}
		if event.Type == client.EventSync {
			begin() // not again when the watch is idle for a while
			continue
		}
		reported = append(reported, change{describe(event), revisionOf(t, event.ResumeToken)})
		if event.Entry.Key == "end" {
			break
		}
	}
	writers.Wait()
	wantChanges(t, reported, record(t, recorder))
	for i, want := range done {
		if got := of(i, reported); !slices.Equal(got, want) {
			t.Errorf("the watch reported %[2]d changes of writer %[1]d, want %[3]d", i, len(got), len(want))
		}
	}
	if n := p.Count(); n < 10 {
		t.Errorf("the watch was cut %d times, too few to prove anything", n)
	}
}

func TestASnapshotAndItsEventsMissNothingAcrossCuts(t *testing.T) {
	t.Parallel()
	seed, engine := newSeed(t), newEngine(t)
	recorder, err := engine.Watch(t.Context(), store.WatchRequest{})
	if err != nil {
		t.Fatal(err)
	}
	defer recorder.Close()
	url := serveEngine(t, engine)
	direct := dial(t, url)
	for i := range 100 {
		mustSet(t, direct, fmt.Sprintf("still/%03d", i), string(make([]byte, 100)))
	}
	cuts := randomCuts(seed)
	most := int64(2_000) // a snapshot is ten times as long, so the limit grows until it passes
	p := cutproxy.New(t, url, func() int64 {
		most = min(2*most, 64_000)
		return cuts(most)
	})

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var writers sync.WaitGroup
	defer writers.Wait()
	writers.Go(func() { write(t, direct, seed, 300) })
	copied := &mirror{entries: map[string]string{}}
	for event, err := range dial(t, p.URL).Watch(ctx, "", client.FromSnapshot(), client.StartOver()) {
		if err != nil {
			t.Fatalf("the watch ended with %v", err)
		}
		copied.apply(t, event)
		if _, ended := copied.entries["end"]; ended && event.ResumeToken != "" {
			break
		}
	}
	writers.Wait()
	history := record(t, recorder)
	wantChanges(t, copied.changes, slices.DeleteFunc(history, func(c change) bool { return c.revision <= copied.synced }))
	copied.wantAll(t, direct)
	if p.Count() < 2 {
		t.Errorf("the watch was cut %d times, too few to prove anything", p.Count())
	}
}
