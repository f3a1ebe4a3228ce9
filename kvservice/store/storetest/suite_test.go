package storetest_test

import (
	"context"
	"flag"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"key-value/kvservice/store"
	"key-value/kvservice/store/storetest"
)

func TestMain(m *testing.M) {
	// The random checks are meant to fail here, which is nothing to keep a record of.
	if err := flag.Set("rapid.nofailfile", "true"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func TestReferenceObeysTheContract(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Engine { return newReference(none) })
	storetest.RunExact(t, func() store.Engine { return newReference(none) })
}

// found says which checks must find each bug, at the least.
var found = map[bug][]string{
	lostDelete: {
		"calls one after another return what a map would",
		"operations on single keys are linearizable",
		"a snapshot that is read while others write misses nothing, with the events behind it",
	},
	resumeTooLate:    {"any token resumes right behind its event", cutAndResumed},
	resumeTooEarly:   {"any token resumes right behind its event", cutAndResumed},
	versionComesBack: {"no version is used twice", "operations on single keys are linearizable"},
	earlyCheck: {
		"of a thousand conditional writes to one version, one wins",
		"operations on single keys are linearizable",
	},
	earlyEvent:       {"who hears of a change finds it done"},
	lateRead:         {"operations on single keys are linearizable"},
	lateExpiry:       {"an entry is there a nanosecond before its deadline and gone at it"},
	silentExpiry:     {"watches hear of an expiry at its instant"},
	batchInSteps:     {"atomic batches are linearizable"},
	batchWithoutUndo: {"atomic batches are linearizable", "an atomic batch changes nothing if a get finds nothing"},
	incrementForEver: {"an increment leaves the deadline where it is"},
	pageSkips: {
		"the page behind a key that was deleted goes on where it was",
		"calls one after another return what a map would",
		"pages have every key that is there throughout once, whatever else is written",
	},
	snapshotBeforeWatch: {"a snapshot that is read while others write misses nothing, with the events behind it"},
}

const cutAndResumed = "a watch that is cut and resumed at random has each change once and in order"

// attempts is how often a check may miss a bug: most show only where goroutines meet by chance.
const attempts = 100

func TestEveryBugIsFound(t *testing.T) {
	for b, names := range found {
		for _, name := range names {
			t.Run(string(b)+"/"+name, func(t *testing.T) {
				for range attempts {
					if err := try(t, b, name); err != nil {
						t.Logf("%.400s", err)
						return
					}
				}
				t.Fatalf("the check passes %d times", attempts)
			})
		}
	}
}

// try returns what the check of that name finds wrong with an engine that has bug b.
func try(t *testing.T, b bug, name string) error {
	// A check that waits for what a bug has lost need not wait for long.
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	named := func(c storetest.Check) bool { return c.Name == name }
	if i := slices.IndexFunc(storetest.Checks(), named); i >= 0 {
		return storetest.Checks()[i].Try(ctx, newReference(b))
	}
	i := slices.IndexFunc(storetest.ExactChecks(), named)
	if i < 0 {
		t.Fatal("no such check")
	}
	var err error
	synctest.Test(t, func(t *testing.T) {
		err = storetest.ExactChecks()[i].Try(t.Context(), newReference(b))
	})
	return err
}
