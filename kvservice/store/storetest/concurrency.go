package storetest

import (
	"fmt"
	"time"

	"key-value/kvservice/store"
)

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
func checkWorkloads(t T, e store.Engine, w Workload, seeds uint64) {
	t.Helper()
	for seed := range seeds {
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
