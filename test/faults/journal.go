package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"key-value/kvservice/store"
	"key-value/kvservice/store/storetest"
)

// watchPatience is how long watches may take to deliver all changes once the last one is acknowledged.
const watchPatience = 20 * time.Second

// journals writes and watches one journal after the other until ctx is done, and delivers the error of each.
func journals(ctx context.Context, p *program, st *stage, seeds func() uint64, done func(seed uint64, changes int, err error)) {
	for ctx.Err() == nil {
		seed, life := seeds(), st.lifetime()
		round, end := context.WithCancelCause(context.WithoutCancel(ctx))
		forget := context.AfterFunc(life, func() { end(errServiceDied) })
		changes, err := follow(round, end, p, []storetest.Watchable{resuming{p}, byLibrary{p.library}}, seed)
		forget()
		end(nil)
		if life.Err() != nil || errors.Is(err, errServiceDied) {
			continue // the watched data is gone, and the fault itself checks the consequences
		}
		done(seed, changes, err)
	}
}

var errServiceDied = errors.New("the service died")

// follow writes one journal to s, with watches of each kind: from its beginning, and with a snapshot from its middle.
// End ends ctx.
func follow(
	ctx context.Context, end context.CancelCauseFunc, s storetest.Store, watches []storetest.Watchable, seed uint64,
) (int, error) {
	j := storetest.Journal{Prefix: fmt.Sprintf("w/%d/", seed), Writers: 2, Changes: 40, Seed: seed}
	f := &followers{journal: j}
	for _, from := range watches {
		if err := f.join(ctx, from, false); err != nil {
			return 0, fmt.Errorf("watch: %w", err)
		}
	}
	var late sync.WaitGroup
	for _, from := range watches {
		late.Go(func() {
			pause(ctx, 100*time.Millisecond)
			if err := f.join(ctx, from, true); err != nil {
				f.note(fmt.Errorf("watch from a snapshot: %w", err))
			}
		})
	}
	changes, err := j.Write(ctx, newCertainWriter(s))
	late.Wait()
	if err != nil {
		end(err)
	}
	watchdog := time.AfterFunc(watchPatience, func() { end(fmt.Errorf("the last change was acknowledged %v ago", watchPatience)) })
	defer watchdog.Stop()
	return len(changes), errors.Join(err, f.check(changes))
}

// followers are the watches of a journal.
type followers struct {
	journal storetest.Journal
	events  sync.WaitGroup
	joined  atomic.Uint64

	mu   sync.Mutex
	all  []following // guarded by mu
	errs []error     // guarded by mu
}

// following is a watch and what it has delivered.
type following struct {
	*storetest.Follower
	events []store.Event
}

func (f *followers) note(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errs = append(f.errs, err)
}

// join opens a watch and reads from it. The reader cuts it about once in 20 events, in addition to the faults.
func (f *followers) join(ctx context.Context, from storetest.Watchable, snapshot bool) error {
	random := rand.New(rand.NewPCG(f.journal.Seed, f.joined.Add(1)))
	w := &storetest.Follower{
		Store:   from,
		Request: store.WatchRequest{Prefix: f.journal.Prefix, Snapshot: snapshot},
		Last:    f.journal.Last(),
		Cut:     func() bool { return random.IntN(20) == 0 },
	}
	if err := w.Open(ctx); err != nil {
		return err
	}
	f.events.Go(func() {
		events, err := w.Events(ctx)
		if err != nil {
			f.note(fmt.Errorf("watch: %w", errors.Join(err, context.Cause(ctx))))
			return
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.all = append(f.all, following{w, events})
	})
	return nil
}

// check waits for the last event of all watches, and returns what is wrong with them.
func (f *followers) check(changes []storetest.Change) error {
	f.events.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	errs := f.errs
	for _, w := range f.all {
		errs = append(errs, storetest.CheckWatch(changes, w.events, w.Request.Snapshot))
	}
	return errors.Join(errs...)
}
