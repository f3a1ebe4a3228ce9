package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"key-value/client"
)

const (
	writers  = 6
	keysEach = 8 // of a writer
	counters = 4 // of a worker
	pairs    = 4
	passing  = 24 // keys that are created and deleted by all workers
)

// run is one run of the suite.
type run struct {
	settings
	stage    *stage
	progress io.Writer
	begin    time.Time
	etags    *etags
	ledgers  []*ledger
	counters [][]*counter // :: worker
	meter    meter
	watchers []*watcher

	// writing is read-locked by each step of a client, and locked to pause all of them.
	writing sync.RWMutex
	// restoring is read-locked while a history is recorded, and locked while a snapshot is restored: writes since the
	// snapshot are lost, so that no history across it can be checked.
	restoring sync.RWMutex
	checked   struct{ histories, operations atomic.Int64 }
	careful   atomic.Bool // whether every write is conditional, so that none hides the loss of the one before it

	mu         sync.Mutex
	violations []violation            // guarded by mu
	losses     []loss                 // all of them; guarded by mu
	stale      []stale                // stale reads that losses must explain; guarded by mu
	fresh      []loss                 // losses that are not judged yet; guarded by mu
	elections  int                    // up to the last round; guarded by mu
	first      map[string]instant     // :: key → its first write since the last fault; guarded by mu
	fault      fault                  // the latest; guarded by mu
	unplanned  int                    // rounds with other failovers; guarded by mu
	filling    bool                   // whether nodes may be full; guarded by mu
	stats      map[string]*faultStats // :: kind of fault; guarded by mu
}

// instant is a time since the run began.
type instant = time.Duration

// violation is something that must not happen.
type violation struct {
	Fault string `json:"fault"`
	What  string `json:"what"`
}

func newRun(s settings, st *stage, progress io.Writer) *run {
	r := &run{
		settings: s, stage: st, progress: progress, begin: time.Now(), etags: newEtags(), first: map[string]instant{},
		fault: fault{kind: "none"}, stats: map[string]*faultStats{},
	}
	for i := range writers * keysEach {
		r.ledgers = append(r.ledgers, &ledger{key: fmt.Sprintf("%s%d/%d", ledgerPrefix, i%writers, i)})
	}
	return r
}

const ledgerPrefix = "b/"

func isLedger(key string) bool { return strings.HasPrefix(key, ledgerPrefix) }

func (r *run) now() instant { return time.Since(r.begin) }

// violate records a violation, unless err is nil.
func (r *run) violate(err error) {
	if err == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.violations = append(r.violations, violation{r.fault.kind, err.Error()})
	fmt.Fprintf(r.progress, "VIOLATION: %.1000s\n", err)
}

// random returns the random choices of one worker.
func (r *run) random(worker int) *rand.Rand { return rand.New(rand.NewPCG(r.seed, uint64(worker))) }

// callPatience is how long a client waits for an answer.
const callPatience = time.Second

// expected are the errors that calls may have while parts of the cluster are down.
var expected = []error{
	client.ErrNotFound, client.ErrETagMismatch, client.ErrExists, client.ErrAbsent, client.ErrUnavailable,
	client.ErrOverloaded, context.Canceled, context.DeadlineExceeded,
}

// called records the outcome of a call, and reports whether it was answered.
func (r *run) called(err error) bool {
	if isUnanswered(err) {
		r.meter.unanswered.Add(1)
		return false
	}
	if err != nil && !isAny(err, expected) && !(r.mayBeFull() && errors.Is(err, client.ErrFull)) {
		r.violate(fmt.Errorf("a call failed: %w", err))
	}
	r.meter.answered(r.now())
	return true
}

// mayBeFull reports whether calls may fail because nodes are full.
func (r *run) mayBeFull() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.filling
}

// isUnanswered reports whether err means that a call was not carried out, or that its outcome is unknown.
func isUnanswered(err error) bool {
	return isAny(err, []error{client.ErrUnavailable, client.ErrOverloaded, context.Canceled, context.DeadlineExceeded})
}

func isAny(err error, all []error) bool {
	for _, one := range all {
		if errors.Is(err, one) {
			return true
		}
	}
	return false
}

// lose records lost writes. Whether they may be lost is checked when the fault is over.
func (r *run) lose(losses []loss) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.losses, r.fresh = append(r.losses, losses...), append(r.fresh, losses...)
}

// pause waits for d, or until ctx is done.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
