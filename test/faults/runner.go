package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

const (
	programs = 20 // how many make histories; one more writes journals
	checkers = 2  // how many histories are checked at a time
	// calm is how long nothing is injected between two faults, and warm how long before the first one.
	calm = 700 * time.Millisecond
	warm = 2 * time.Second
	// recoveryLimit is how long it may take after a fault until a gateway answers.
	recoveryLimit = 2 * time.Second
)

// runner is one run of the suite.
type runner struct {
	settings
	stage    *stage
	meter    *meter
	progress io.Writer
	began    time.Time
	seeds    atomic.Uint64
	fault    atomic.Pointer[string] // what is injected now, or was last
	turns    map[string]int         // how often each fault was injected; only for the goroutine that injects

	mu         sync.Mutex
	tallies    map[string]*tally // by kind of fault; guarded by mu
	violations []violation       // guarded by mu
	peak       float64           // operations a second between faults; guarded by mu
}

// violation is something that must not happen.
type violation struct {
	Fault string `json:"fault"`
	What  string `json:"what"`
}

func newRunner(s settings, st *stage, progress io.Writer) *runner {
	r := &runner{
		settings: s, stage: st, meter: newMeter(), progress: progress, began: time.Now(),
		turns: map[string]int{}, tallies: map[string]*tally{},
	}
	r.seeds.Store(s.seed << 20) // so that runs with seeds next to each other have none in common
	none := "none"
	r.fault.Store(&none)
	for _, f := range s.faults {
		r.tallies[f.name] = &tally{}
	}
	return r
}

func (r *runner) nextSeed() uint64 { return r.seeds.Add(1) }
func (r *runner) current() string  { return *r.fault.Load() }

// violate notes that something went wrong.
func (r *runner) violate(fault string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.violations = append(r.violations, violation{fault, err.Error()})
	fmt.Fprintf(r.progress, "VIOLATION under %s: %.2000s\n", fault, err)
}

// run has clients work while faults are injected.
func (r *runner) run(ctx context.Context) error {
	work, stop := context.WithCancel(ctx)
	defer stop()
	done, err := r.work(work)
	if err != nil {
		return err
	}
	err = r.breakThings(ctx)
	stop()
	done()
	if err == nil {
		if stopErr := r.stage.stop(); stopErr != nil {
			r.violate("none", stopErr)
		}
	}
	return errors.Join(err, ctx.Err())
}

// work starts the clients and what checks them. Done waits for all of them once ctx is done.
func (r *runner) work(ctx context.Context) (done func(), err error) {
	var clients, checks sync.WaitGroup
	found := make(chan history, 2*checkers)
	for range programs {
		p, err := newProgram(r.stage.url(), r.meter)
		if err != nil {
			return nil, err
		}
		clients.Go(func() {
			defer p.close()
			histories(ctx, p, r.nextSeed, r.current, func(h history) { found <- h })
		})
	}
	p, err := newProgram(r.stage.url(), r.meter)
	if err != nil {
		return nil, err
	}
	clients.Go(func() {
		defer p.close()
		journals(ctx, p, r.stage, r.nextSeed, r.journaled)
	})
	for range checkers {
		checks.Go(func() {
			for h := range found {
				r.check(h)
			}
		})
	}
	return func() {
		clients.Wait()
		close(found)
		checks.Wait()
	}, nil
}

func (r *runner) check(h history) {
	r.meter.approve(h.fault, h.operations())
	if err := h.check(r.stage.deathsSince(h.begin)); err != nil {
		r.violate(h.fault, fmt.Errorf("history %d: %w", h.seed, err))
	}
}

func (r *runner) journaled(seed uint64, changes int, err error) {
	fault := r.current()
	r.meter.approve(fault, changes)
	if err != nil {
		r.violate(fault, fmt.Errorf("journal %d: %w", seed, err))
	}
}

// breakThings injects one fault after the other until enough is checked, and each at least once.
func (r *runner) breakThings(ctx context.Context) error {
	r.quiet(ctx, warm)
	random := rand.New(rand.NewPCG(r.seed, 0))
	for first := true; first || !r.enough(); first = false {
		for _, i := range random.Perm(len(r.faults)) {
			if !first && r.enough() {
				return nil
			}
			if err := r.injectOne(ctx, r.faults[i]); err != nil {
				return fmt.Errorf("%s: %w", r.faults[i].name, err)
			}
			r.quiet(ctx, calm)
		}
	}
	return ctx.Err()
}

func (r *runner) enough() bool {
	if r.duration > 0 {
		return time.Since(r.began) > r.duration
	}
	return r.meter.approved() >= r.operations
}

// quiet lets the clients work undisturbed, and sees how much they get done.
func (r *runner) quiet(ctx context.Context, d time.Duration) {
	from := time.Now()
	pause(ctx, d)
	rate := r.meter.rate(from, time.Now())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.peak = max(r.peak, rate)
}

// injectOne injects f, and measures what the clients notice.
func (r *runner) injectOne(ctx context.Context, f fault) error {
	if f.strict {
		r.quiet(ctx, callPatience+calm) // whoever still waits because of an earlier fault gives up
	}
	r.fault.Store(&f.name)
	lostBefore, _ := r.meter.losses()
	from := time.Now()
	err := f.inject(ctx, r.stage, r.turns[f.name])
	to := time.Now()
	r.turns[f.name]++
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if w, ok := errors.AsType[wrongError](err); ok {
		r.violate(f.name, w)
	} else if err != nil {
		return err
	}
	recovery, err := r.stage.recovered(ctx, to)
	if err == nil && recovery > recoveryLimit {
		err = fmt.Errorf("the first answer of a gateway came %v after the fault, want it within %v", recovery, recoveryLimit)
	}
	if err != nil {
		r.violate(f.name, err)
	}
	lostAfter, examples := r.meter.losses()
	if f.strict && lostAfter != lostBefore {
		r.violate(f.name, fmt.Errorf("%d calls got no answer: %q", lostAfter-lostBefore, examples))
	}
	goodput := r.meter.rate(from, to)
	fmt.Fprintf(r.progress, "%6.1fs  %-38s %6.0f op/s  %5d lost  back after %v\n", time.Since(r.began).Seconds(), f.name,
		goodput, lostAfter-lostBefore, recovery.Round(time.Millisecond))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tallies[f.name].add(goodput, to.Sub(from), lostAfter-lostBefore, recovery)
	return nil
}
