package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	// quietTime is the time without a fault before the next round.
	quietTime = 300 * time.Millisecond
	// patience bounds everything that must happen after a fault, on a busy machine.
	patience = time.Minute
	// clones is how many watches are resumed in each round with tokens from before the failover.
	clones = 6
)

// round injects one fault under load, waits until it is repaired, and checks everything.
func (r *run) round(ctx context.Context, kind string, turn int) error {
	began := r.now()
	pause(ctx, quietTime)
	r.meter.peak(began, r.now())
	r.beCareful(kind)
	pause(ctx, time.Duration(r.random(turn).IntN(50))*time.Millisecond) // a random time among the calls
	var before []*watcher
	stuck, stop := context.WithTimeout(ctx, 3*patience)
	defer stop()
	err := r.stage.suite.kinds[kind](stuck, r, turn, func(from, to instant) {
		r.strike(fault{kind: kind, from: from, to: to})
		before = r.clone(turn)
	})
	if err != nil {
		return fmt.Errorf("%w\n%s", err, r.stage.describe(ctx))
	}
	recovery, err := r.recovered(ctx)
	if err != nil {
		return err
	}
	repaired, err := r.repaired(ctx)
	if err != nil {
		return err
	}
	watching, cancel := context.WithCancel(ctx)
	var watches sync.WaitGroup
	defer watches.Wait()
	defer cancel()
	for _, w := range before {
		watches.Go(func() { w.follow(watching) })
	}
	return r.inspect(ctx, repaired, recovery, before)
}

// beCareful makes all writes conditional, from a moment at which no call is in progress.
func (r *run) beCareful(kind string) {
	r.writing.Lock()
	defer r.writing.Unlock()
	r.careful.Store(true)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.filling = kind == primariesFull || kind == etcdFull
}

// repaired records that the fault is repaired, and returns when.
func (r *run) repaired(ctx context.Context) (instant, error) {
	elections, err := r.stage.elections(ctx)
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	expected := 0
	if loses(r.fault.kind) {
		expected = 1
	}
	if r.fault.others = elections > r.elections+expected; r.fault.others {
		r.fault.to, r.unplanned = now, r.unplanned+1
	}
	r.fault.to, r.elections = min(r.fault.to, now), elections
	return now, err
}

// strike records a fault.
func (r *run) strike(f fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault = f
	clear(r.first)
}

// since records when a lost write may have been acknowledged at the earliest.
func (r *run) since(since instant) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault.since = since
}

// until records when the failed part stopped acknowledging.
func (r *run) until(to instant) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault.to = to
}

// clone makes some watchers resume a second time from where they are.
func (r *run) clone(turn int) []*watcher {
	var all []*watcher
	for _, i := range r.random(turn).Perm(len(r.watchers))[:clones] {
		if w := r.watchers[i].clone(); w != nil {
			all = append(all, w)
		}
	}
	return all
}

// recovered waits until each ledger's key has been written since the fault. It returns how long that took.
func (r *run) recovered(ctx context.Context) (time.Duration, error) {
	for since := r.now(); ctx.Err() == nil; pause(ctx, 5*time.Millisecond) {
		if longest, all := r.firsts(); all {
			return longest, nil
		}
		if r.now()-since > patience {
			return 0, fmt.Errorf("some keys cannot be written %v after the cluster has settled", patience)
		}
	}
	return 0, ctx.Err()
}

func (r *run) firsts() (longest time.Duration, all bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.ledgers {
		first, ok := r.first[b.key]
		if !ok {
			return 0, false
		}
		longest = max(longest, first-r.fault.from)
	}
	return longest, true
}

// inspect pauses all clients, and compares the state of the store with what was acknowledged and delivered.
func (r *run) inspect(ctx context.Context, repaired instant, recovery time.Duration, before []*watcher) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	listing, err := r.listing(ctx)
	if err != nil {
		return err
	}
	r.findAll(listing)
	all := slices.Concat(r.watchers, before)
	alive := r.converge(ctx, all, listing)
	for i, w := range all {
		r.violate(w.judge(r.ledgers, alive[i]))
	}
	r.mu.Lock()
	suspects, fresh, f := r.stale, r.fresh, r.fault
	r.stale, r.fresh = nil, nil
	r.mu.Unlock()
	for _, l := range fresh {
		r.violate(f.explain(l))
	}
	for _, s := range suspects {
		r.violate(s.check())
	}
	r.violate(r.tryAllLost(ctx, fresh))
	r.report(repaired, recovery, fresh, before)
	r.careful.Store(false)
	return ctx.Err()
}

// findAll finds the acknowledged writes that are lost.
func (r *run) findAll(listing map[string]content) {
	for _, b := range r.ledgers {
		losses, err := b.find(listing[b.key].value, listing[b.key].etag)
		r.violate(err)
		r.lose(losses)
	}
	for _, c := range slices.Concat(r.counters...) {
		value, _ := strconv.ParseInt(listing[c.key].value, 10, 64) // absent: 0
		losses, err := c.find(value)
		r.violate(err)
		r.lose(losses)
	}
}

// listing returns the state of the store, once nothing is about to expire.
func (r *run) listing(ctx context.Context) (map[string]content, error) {
	var latest error
	for since := r.now(); ctx.Err() == nil && r.now()-since < patience; pause(ctx, 20*time.Millisecond) {
		found, expiring := map[string]content{}, false
		latest = nil
		for entry, err := range r.stage.clients[0].List(ctx, "") {
			if err != nil {
				latest = err
				break
			}
			expiring = expiring || !entry.ExpireTime.IsZero()
			found[entry.Key] = content{string(entry.Value), entry.ETag}
			r.violate(r.etags.seen(entry.Key, entry.ETag, string(entry.Value)))
		}
		if latest == nil && !expiring {
			return found, nil
		}
	}
	return nil, fmt.Errorf("no listing after %v: %w", patience, errors.Join(latest, ctx.Err()))
}

// converge waits until all watchers have delivered the state of the store, and returns those that have.
func (r *run) converge(ctx context.Context, all []*watcher, listing map[string]content) []bool {
	have := make([]bool, len(all))
	late := ""
	for since := r.now(); ctx.Err() == nil; pause(ctx, 5*time.Millisecond) {
		late = ""
		for i, w := range all {
			what := w.late(listing, r.ledgers)
			if have[i] = what == ""; !have[i] {
				late = what
			}
		}
		if late == "" {
			return have
		}
		if r.now()-since > patience {
			break
		}
	}
	if ctx.Err() == nil {
		r.violate(fmt.Errorf("%v after the last write: %s", patience, late))
	}
	return have
}

// tryAllLost tries to write with the etags of lost writes as preconditions: of all new ones, and of some earlier ones.
func (r *run) tryAllLost(ctx context.Context, fresh []loss) error {
	r.mu.Lock()
	old := r.losses
	r.mu.Unlock()
	random := r.random(len(old))
	for range min(len(old), 20) {
		fresh = append(fresh, old[random.IntN(len(old))])
	}
	var errs []error
	for _, l := range fresh {
		errs = append(errs, r.tryLost(ctx, l))
	}
	return errors.Join(errs...)
}
