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
	passing  = 24 // keys that come and go, written by anybody
)

// run is one run of the suite.
type run struct {
	settings
	stage    *stage
	progress io.Writer
	begin    time.Time
	etags    *etags
	books    []*book
	counters [][]*counter // :: worker
	meter    meter
	watchers []*watcher

	// writing is held by who writes or reads, during each step, and by who needs all of them to pause.
	writing sync.RWMutex
	careful atomic.Bool // whether every write is conditional, so that none hides that the one before it is lost

	mu         sync.Mutex
	violations []violation        // guarded by mu
	losses     []loss             // all there were; guarded by mu
	stale      []stale            // reads that must be explained by losses; guarded by mu
	fresh      []loss             // those that are not judged yet; guarded by mu
	elections  int                // up to the last round; guarded by mu
	first      map[string]instant // :: key → its first write since the last fault; guarded by mu
	fault      fault              // the last one; guarded by mu
	unplanned  int                // rounds with other failovers; guarded by mu
	filling    bool               // whether nodes may be full; guarded by mu
	tallies    map[string]*tally  // :: kind; guarded by mu
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
		fault: fault{kind: "none"}, tallies: map[string]*tally{},
	}
	for i := range writers * keysEach {
		r.books = append(r.books, &book{key: fmt.Sprintf("%s%d/%d", bookPrefix, i%writers, i)})
	}
	return r
}

const bookPrefix = "b/"

func isBook(key string) bool { return strings.HasPrefix(key, bookPrefix) }

func (r *run) now() instant { return time.Since(r.begin) }

// violate notes that something went wrong, unless err is nil.
func (r *run) violate(err error) {
	if err == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.violations = append(r.violations, violation{r.fault.kind, err.Error()})
	fmt.Fprintf(r.progress, "VIOLATION: %.1000s\n", err)
}

// random returns the choices of one worker.
func (r *run) random(worker int) *rand.Rand { return rand.New(rand.NewPCG(r.seed, uint64(worker))) }

// callPatience is how long a client waits for an answer.
const callPatience = time.Second

// expected is what calls may fail with while parts of the cluster are dead.
var expected = []error{
	client.ErrNotFound, client.ErrETagMismatch, client.ErrExists, client.ErrAbsent, client.ErrUnavailable,
	client.ErrOverloaded, context.Canceled, context.DeadlineExceeded,
}

// called takes note of how a call ended, and says whether it was answered.
func (r *run) called(err error) bool {
	if isUnanswered(err) {
		r.meter.unanswered.Add(1)
		return false
	}
	if err != nil && !isAny(err, expected) && !(r.mayBeFull() && errors.Is(err, client.ErrFull)) {
		r.violate(fmt.Errorf("a call failed with %w", err))
	}
	r.meter.answered(r.now())
	return true
}

// mayBeFull says whether calls may fail for want of memory.
func (r *run) mayBeFull() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.filling
}

// isUnanswered reports whether err says that a call was not carried out, or that nobody knows.
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

// lose takes note of writes that are lost. Whether they may be is known when the fault is over.
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
