package main

import (
	"context"
	"fmt"
	"sync"
)

const othersEvery = 5

// run injects faults while clients work.
func (r *run) run(ctx context.Context) error {
	var err error
	if r.elections, err = r.stage.elections(ctx); err != nil {
		return err
	}
	work, stop := context.WithCancel(ctx)
	defer stop()
	var working sync.WaitGroup
	r.load(work, &working)
	err = r.rounds(ctx)
	stop()
	working.Wait()
	if err == nil {
		r.violate(r.stage.stop())
	}
	return err
}

// rounds injects the faults.
func (r *run) rounds(ctx context.Context) error {
	suite, next := r.stage.suite, 0
	other := func() error {
		kind := suite.others[next%len(suite.others)]
		next++
		return r.named(ctx, kind, next)
	}
	for i := range r.kills {
		if err := r.named(ctx, suite.kills[i%len(suite.kills)], i); err != nil {
			return err
		}
		if i%othersEvery == othersEvery-1 {
			if err := other(); err != nil {
				return err
			}
		}
	}
	for next < len(suite.others) {
		if err := other(); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) named(ctx context.Context, kind string, turn int) error {
	if err := r.round(ctx, kind, turn); err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	return nil
}

// load starts the clients, which work until ctx is done.
func (r *run) load(ctx context.Context, working *sync.WaitGroup) {
	steps := make([]func(*worker, context.Context), 0, 2*writers)
	for range writers {
		steps = append(steps, (*worker).write)
	}
	for i := range 2 {
		r.counters = append(r.counters, newCounters(i))
		steps = append(steps, add(r.counters[i]), (*worker).pair, (*worker).churn, (*worker).read)
	}
	for i, step := range steps {
		working.Go(func() { r.work(ctx, i, step) })
	}
	if r.stage.etcd != nil {
		for i := range r.stage.services {
			working.Go(func() { r.histories(ctx, i) })
		}
	}
	for i, t := range r.transcripts() {
		w := r.newWatcher(i, t)
		r.watchers = append(r.watchers, w)
		working.Go(func() { w.follow(ctx) })
	}
}

func newCounters(worker int) []*counter {
	var all []*counter
	for i := range counters {
		all = append(all, &counter{key: fmt.Sprintf("c/%d/%d", worker, i)})
	}
	return all
}

// transcripts are the watches: of everything, of prefixes and of keys, with and without a snapshot.
func (r *run) transcripts() []*transcript {
	var all []*transcript
	for _, snapshot := range []bool{true, false} {
		all = append(all, newTranscript("", false, snapshot), newTranscript(ledgerPrefix, false, snapshot), newTranscript("t/", false, snapshot))
	}
	for i := 0; i < len(r.ledgers); i += 4 {
		all = append(all, newTranscript(r.ledgers[i].key, true, i%8 == 0))
	}
	return all
}
