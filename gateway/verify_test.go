package gateway_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"key-value/internal/testkit/wireengine"
	"key-value/internal/testkit/wiretest"
	"key-value/kvservice/store"
	"key-value/kvservice/store/storetest"
)

// patience bounds how long a check may take.
const patience = 5 * time.Minute

// newWireEngine returns an engine that calls url over REST and every RPC wire.
func newWireEngine(t *testing.T, url string) *wireengine.Engine {
	var clients []client
	for _, wire := range wiretest.Wires() {
		clients = append(clients, wire.Dial(t, url, "x-api-key", apiKey))
	}
	return wireengine.New(url, apiKey, http.DefaultClient, clients...)
}

// overEverything runs test in each arrangement, with calls over REST and every RPC wire.
func overEverything(t *testing.T, test func(t *testing.T, r *wireengine.Engine)) {
	for _, arrangement := range arrangements {
		t.Run(arrangement.name, func(t *testing.T) {
			t.Parallel()
			test(t, newWireEngine(t, start(t, arrangement.transport(t, newEngine(t)))))
		})
	}
}

func TestCallsOverAllWiresTogetherAreLinearizable(t *testing.T) {
	t.Parallel()
	for name, w := range map[string]storetest.Workload{
		"single keys":    {Clients: 8, Calls: 30},
		"atomic batches": {Clients: 4, Calls: 20, Batches: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			overEverything(t, func(t *testing.T, r *wireengine.Engine) {
				for range 3 {
					w.Seed = rand.Uint64() >> 32
					w.Keys = []string{fmt.Sprint("x/", w.Seed), fmt.Sprint("y/", w.Seed), fmt.Sprint("é/", w.Seed)}
					calls := w.Run(t.Context(), r)
					if slices.ContainsFunc(calls, storetest.Call.Unknown) {
						t.Fatalf("seed %d: a call got no response", w.Seed)
					}
					if err := storetest.CheckLinearizable(calls, patience); err != nil {
						t.Fatalf("seed %d: %v", w.Seed, err)
					}
				}
			})
		})
	}
}

func TestWatchesOverAllWiresMissNothing(t *testing.T) {
	t.Parallel()
	for _, snapshot := range []bool{false, true} {
		t.Run(fmt.Sprint("snapshot ", snapshot), func(t *testing.T) {
			t.Parallel()
			overEverything(t, func(t *testing.T, r *wireengine.Engine) {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				j := storetest.Journal{Prefix: "j/", Writers: 4, Changes: 60, Seed: rand.Uint64() >> 32}
				random := rand.New(rand.NewPCG(j.Seed, 0))
				f := &storetest.Follower{
					Store: r, Request: store.WatchRequest{Prefix: j.Prefix, Snapshot: snapshot}, Last: j.Last(),
					Cut: func() bool { return random.IntN(8) == 0 },
				}
				if err := f.Open(ctx); err != nil {
					t.Fatal(err)
				}
				type written struct {
					changes []storetest.Change
					err     error
				}
				done := make(chan written, 1)
				go func() {
					changes, err := j.Write(ctx, r)
					done <- written{changes, err}
				}()
				events, err := f.Events(ctx)
				w := <-done
				if err != nil || w.err != nil {
					t.Fatalf("seed %d: watch: %v, writers: %v", j.Seed, err, w.err)
				}
				if err := storetest.CheckWatch(w.changes, events, snapshot); err != nil {
					t.Fatalf("seed %d: %v", j.Seed, err)
				}
			})
		})
	}
}

// TestSoak is the long form of these tests; see [storetest.Soak].
func TestSoak(t *testing.T) {
	t.Parallel()
	for _, arrangement := range arrangements {
		t.Run(arrangement.name, func(t *testing.T) {
			storetest.Soak(t, func(t *testing.T) store.Engine {
				return newWireEngine(t, start(t, arrangement.transport(t, newEngine(t))))
			})
		})
	}
}
