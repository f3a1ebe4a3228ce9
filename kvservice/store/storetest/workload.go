package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"key-value/kvservice/store"
)

// Call is one call of a client with its result. Begin and End are in nanoseconds of a clock that all clients share.
type Call struct {
	Client  int
	Ops     []store.Operation // one, or those of an atomic batch
	Results []store.Result    // of Ops; empty if Err is set
	Err     error             // of the call; a *store.BatchError for a batch
	Begin   int64
	End     int64
}

// Unknown reports whether the outcome is unknown: the call may take effect at any time after its begin, or never.
func (c Call) Unknown() bool {
	return errors.Is(c.Err, store.ErrUnknownOutcome) || errors.Is(c.Err, context.DeadlineExceeded)
}

// irrelevant reports whether the call certainly changed nothing and its error says nothing about the entries.
func (c Call) irrelevant() bool {
	return errors.Is(c.Err, store.ErrUnavailable) || errors.Is(c.Err, store.ErrFull) || errors.Is(c.Err, context.Canceled)
}

// Workload is a set of concurrent clients that read, write, write conditionally, delete and increment. They use few
// keys, so that they conflict.
type Workload struct {
	Clients int
	Calls   int      // per client
	Keys    []string // must not exist yet
	Batches bool     // whether some calls are atomic batches
	Seed    uint64   // determines the choices of each client
}

// Run lets the clients make their calls and returns all of them, ordered by Begin. Clients stop early when ctx is
// done.
func (w Workload) Run(ctx context.Context, s Store) []Call {
	begin, start := time.Now(), make(chan struct{})
	calls := make([][]Call, w.Clients)
	var clients sync.WaitGroup
	for id := range w.Clients {
		clients.Go(func() {
			c := &caller{Workload: w, id: id, random: rand.New(rand.NewPCG(w.Seed, uint64(id))), begin: begin}
			<-start
			for range w.Calls {
				if ctx.Err() == nil {
					calls[id] = append(calls[id], c.call(ctx, s))
				}
			}
		})
	}
	close(start)
	clients.Wait()
	all := slices.Concat(calls...)
	slices.SortFunc(all, func(a, b Call) int { return cmp.Compare(a.Begin, b.Begin) })
	return all
}

// caller is one client of a workload.
type caller struct {
	Workload
	id      int
	random  *rand.Rand
	begin   time.Time
	made    int
	version store.Version // the last one seen
}

func (c *caller) call(ctx context.Context, s Store) Call {
	call := Call{Client: c.id, Ops: []store.Operation{c.operation()}}
	batch := c.Batches && c.random.IntN(3) == 0
	for batch && len(call.Ops) < 3 {
		call.Ops = append(call.Ops, c.operation())
	}
	call.Begin = int64(time.Since(c.begin))
	if batch {
		call.Results, call.Err = s.Batch(ctx, call.Ops, true)
	} else {
		var result store.Result
		if result, call.Err = s.Do(ctx, call.Ops[0]); call.Err == nil {
			call.Results = []store.Result{result}
		}
	}
	call.End = int64(time.Since(c.begin))
	for _, result := range call.Results {
		if result.Entry.Version != (store.Version{}) {
			c.version = result.Entry.Version
		}
	}
	return call
}

// operation returns a random operation. No two writes of a workload store the same value, except for increments.
func (c *caller) operation() store.Operation {
	key := c.Keys[c.random.IntN(len(c.Keys))]
	c.made++
	write := set(key, fmt.Sprint(1000*c.made+c.id))
	switch c.random.IntN(10) {
	case 0, 1, 2:
		return get(key)
	case 3, 4:
		return write
	case 5:
		return conditional(write, store.IfVersion(c.version))
	case 6:
		return conditional(write, store.IfAbsent())
	case 7:
		return del(key)
	case 8:
		return conditional(touch(key, 0), store.IfExists())
	}
	return increment(key, 1)
}

// searchPatience limits the search for an order of calls.
const searchPatience = 2 * time.Minute

var concurrencyChecks = []Check{
	{"operations on single keys are linearizable", func(t T, e store.Engine) {
		checkWorkloads(t, e, Workload{Clients: 8, Calls: 40}, 20)
	}},
	{"atomic batches are linearizable", func(t T, e store.Engine) {
		checkWorkloads(t, e, Workload{Clients: 4, Calls: 30, Batches: true}, 20)
	}},
}

// checkWorkloads runs w with several seeds, each with its own keys.
func checkWorkloads(t T, e store.Engine, w Workload, seeds int) {
	t.Helper()
	for seed := range uint64(rounds(seeds)) {
		w.Seed = seed
		group := fmt.Sprint(seed) + "/"
		if w.Batches {
			group = colocated(fmt.Sprint(seed))
		}
		w.Keys = []string{group + "x", group + "y", group + "z"}
		if err := CheckLinearizable(w.Run(t.Context(), e), searchPatience); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}
