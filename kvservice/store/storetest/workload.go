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

// Call is one call that a client made and what came of it. Begin and End are in nanoseconds of one clock
// that all clients share.
type Call struct {
	Client  int
	Ops     []store.Operation // one, or those of an atomic batch
	Results []store.Result    // of Ops; empty if Err is set
	Err     error             // of the call; a *store.BatchError if it was a batch
	Begin   int64
	End     int64
}

// Unknown says whether the call may have taken effect or not, now or at any time later.
func (c Call) Unknown() bool {
	return errors.Is(c.Err, store.ErrUnknownOutcome) || errors.Is(c.Err, context.DeadlineExceeded)
}

// void says whether the call certainly did nothing, for a reason that says nothing about the entries.
func (c Call) void() bool {
	return errors.Is(c.Err, store.ErrUnavailable) || errors.Is(c.Err, store.ErrFull) || errors.Is(c.Err, context.Canceled)
}

// Workload is what concurrent clients do. They read, write, write under conditions, delete and add, and they
// use few keys so that they meet.
type Workload struct {
	Clients int
	Calls   int      // of each client
	Keys    []string // must not exist
	Batches bool     // whether some calls are atomic batches of several keys
	Seed    uint64   // the same seed has each client make the same choices
}

// Run has the clients make their calls and returns all of them, by when they began. A client stops early
// when ctx is done.
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
	version store.Version // the last one it saw
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

// operation draws an operation. No two writes of a workload store the same value, but for increments.
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
		return provided(write, store.IfVersion(c.version))
	case 6:
		return provided(write, store.IfAbsent())
	case 7:
		return del(key)
	case 8:
		return provided(touch(key, 0), store.IfExists())
	}
	return increment(key, 1)
}

// searchPatience is how long to look for an order of some calls.
const searchPatience = 30 * time.Second

var concurrencyChecks = []Check{
	{"operations on single keys are linearizable", func(t T, e store.Engine) {
		checkWorkloads(t, e, Workload{Clients: 8, Calls: 40}, 20)
	}},
	{"atomic batches are linearizable", func(t T, e store.Engine) {
		checkWorkloads(t, e, Workload{Clients: 4, Calls: 30, Batches: true}, 20)
	}},
}

// checkWorkloads runs w with some seeds, each with keys of its own.
func checkWorkloads(t T, e store.Engine, w Workload, seeds int) {
	t.Helper()
	for seed := range uint64(rounds(seeds)) {
		w.Seed = seed
		group := fmt.Sprint(seed) + "/"
		if w.Batches {
			group = together(fmt.Sprint(seed))
		}
		w.Keys = []string{group + "x", group + "y", group + "z"}
		if err := CheckLinearizable(w.Run(t.Context(), e), searchPatience); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}
