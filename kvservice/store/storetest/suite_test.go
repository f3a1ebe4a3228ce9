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
	// The random checks are meant to fail here, so there is nothing to record.
	if err := flag.Set("rapid.nofailfile", "true"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func TestReferenceObeysTheContract(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Engine { return newReference(none) })
	storetest.RunExact(t, func() store.Engine { return newReference(none) })
}

// detectedBy lists the checks that must detect each bug.
var detectedBy = map[bug][]string{
	lostDelete: {
		"sequential calls return what a map would",
		"operations on single keys are linearizable",
		"a snapshot during writes misses nothing, together with the events after it",
	},
	resumeTooLate:     {"every token resumes right after its event", cutAndResumed},
	resumeTooEarly:    {"every token resumes right after its event", cutAndResumed},
	resumeWithoutSync: {"a watch that resumes gets a sync after the changes that it missed, before later ones"},
	versionComesBack:  {"no version is used twice", "operations on single keys are linearizable"},
	earlyCheck: {
		"exactly one of a thousand conditional writes to a version succeeds",
		"operations on single keys are linearizable",
	},
	earlyEvent:        {"a get after an event sees the change"},
	lateRead:          {"operations on single keys are linearizable"},
	lateExpiry:        {"an entry exists until a nanosecond before its deadline"},
	silentExpiry:      {"watches deliver an expiry at its instant"},
	batchInSteps:      {"atomic batches are linearizable"},
	batchWithoutUndo:  {"atomic batches are linearizable", "an atomic batch changes nothing if a get finds no entry"},
	incrementDropsTTL: {"increment keeps the deadline"},
	setDropsKeptTTL: {
		"set that keeps the TTL leaves the deadline as it was", "set that keeps the TTL does not postpone expiry",
		"sequential calls return what a map would",
	},
	pageSkips: {
		"a page after a deleted key continues where the key was",
		"sequential calls return what a map would",
		"pages have every key that exists throughout exactly once, despite other writes",
	},
	deleteWithoutNumber: {"the revision grows with every write, of any kind and key"},
	touchWithValue:      {"the event of a touch has the same entry as a get, without the value"},
	snapshotBeforeWatch: {"a snapshot during writes misses nothing, together with the events after it"},
	prefixTwice: {
		"keys with a delimiter after the prefix are rolled up",
		"a rolled-up prefix is listed once, however many keys have it and however small the pages are",
		"sequential calls return what a map would",
	},
	reverseIgnored: {
		"a listing in reverse has the same keys in the opposite order",
		"sequential calls return what a map would",
	},
	rangeInSteps: {"no read sees some of a deleted range without the others"},
	rangeWithEnd: {
		"a range is deleted from its start to its end, and nothing else", "sequential calls return what a map would",
	},
	rangeWithoutEvents: {"a long range is deleted in parts, and watches get an event for each entry"},
	dryRunDeletes: {
		"a dry run counts what would be deleted, and deletes nothing", "sequential calls return what a map would",
	},
	withoutRoom: {"a watch waits for memory before each event with an entry", "a watch of one key waits for memory"},
}

const cutAndResumed = "a watch that is interrupted and resumed at random delivers each change once and in order"

// attempts is how often a check may miss a bug. Most bugs show only when goroutines happen to interleave.
const attempts = 100

func TestEveryBugIsFound(t *testing.T) {
	for b, names := range detectedBy {
		for _, name := range names {
			t.Run(string(b)+"/"+name, func(t *testing.T) {
				t.Parallel()
				for range attempts {
					if err := try(t, b, name); err != nil {
						t.Logf("%.400s", err)
						return
					}
				}
				t.Fatalf("the check passed %d times", attempts)
			})
		}
	}
}

// try returns the failure of a check on an engine with bug b.
func try(t *testing.T, b bug, name string) error {
	// A check that waits for something that a bug has lost need not wait long.
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
