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
	programs = 20 // programs that record histories; one more writes journals
	checkers = 2  // histories that are checked concurrently
	// quietTime is the time between two faults, and warmup the time before the first.
	quietTime = 700 * time.Millisecond
	warmup    = 2 * time.Second
	// recoveryLimit is how long a gateway may take to answer after a fault.
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
	fault    atomic.Pointer[string] // the current fault, or the latest
	turns    map[string]int         // how often each fault was injected; used only by the goroutine that injects

	mu         sync.Mutex
	stats      map[string]*faultStats // by kind of fault; guarded by mu
	violations []violation            // guarded by mu
	peak       float64                // operations per second between faults; guarded by mu
}

// violation is something that must not happen.
type violation struct {
	Fault string `json:"fault"`
	What  string `json:"what"`
}

func newRunner(s settings, st *stage, progress io.Writer) *runner {
	r := &runner{
		settings: s, stage: st, meter: newMeter(), progress: progress, began: time.Now(),
		turns: map[string]int{}, stats: map[string]*faultStats{},
	}
	r.seeds.Store(s.seed << 20) // so that runs with consecutive seeds share no seeds
	none := "none"
	r.fault.Store(&none)
	for _, f := range s.faults {
		r.stats[f.name] = &faultStats{}
	}
	return r
}

func (r *runner) nextSeed() uint64 { return r.seeds.Add(1) }
func (r *runner) current() string  { return *r.fault.Load() }

// violate records a violation.
func (r *runner) violate(fault string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.violations = append(r.violations, violation{fault, err.Error()})
	fmt.Fprintf(r.progress, "VIOLATION under %s: %.2000s\n", fault, err)
}

// run injects faults while clients work.
func (r *runner) run(ctx context.Context) error {
	work, stop := context.WithCancel(ctx)
	defer stop()
	done, err := r.work(work)
	if err != nil {
		return err
	}
	err = r.injectFaults(ctx)
	stop()
	done()
	if err == nil {
		if stopErr := r.stage.stop(); stopErr != nil {
			r.violate("none", stopErr)
		}
	}
	return errors.Join(err, ctx.Err())
}

// work starts the clients and the checks. Done waits for all of them once ctx is done.
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

// injectFaults injects one fault after the other until enough operations are checked, and each at least once.
func (r *runner) injectFaults(ctx context.Context) error {
	r.quiet(ctx, warmup)
	random := rand.New(rand.NewPCG(r.seed, 0))
	for first := true; first || !r.enough(); first = false {
		for _, i := range random.Perm(len(r.faults)) {
			if !first && r.enough() {
				return nil
			}
			if err := r.injectOne(ctx, r.faults[i]); err != nil {
				return fmt.Errorf("%s: %w", r.faults[i].name, err)
			}
			r.quiet(ctx, quietTime)
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

// quiet lets the clients work undisturbed, and measures their rate.
func (r *runner) quiet(ctx context.Context, d time.Duration) {
	from := time.Now()
	pause(ctx, d)
	rate := r.meter.rate(from, time.Now())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.peak = max(r.peak, rate)
}

// injectOne injects f and measures its effects on the clients.
func (r *runner) injectOne(ctx context.Context, f fault) error {
	if f.strict {
		r.quiet(ctx, callPatience+quietTime) // calls that an earlier fault has delayed end
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
		err = fmt.Errorf("a gateway first answered %v after the fault, want within %v", recovery, recoveryLimit)
	}
	if err != nil {
		r.violate(f.name, err)
	}
	lostAfter, examples := r.meter.losses()
	if f.strict && lostAfter != lostBefore {
		r.violate(f.name, fmt.Errorf("%d calls had no answer: %q", lostAfter-lostBefore, examples))
	}
	goodput := r.meter.rate(from, to)
	fmt.Fprintf(r.progress, "%6.1fs  %-38s %6.0f op/s  %5d lost  back after %v\n", time.Since(r.began).Seconds(), f.name,
		goodput, lostAfter-lostBefore, recovery.Round(time.Millisecond))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stats[f.name].add(goodput, to.Sub(from), lostAfter-lostBefore, recovery)
	return nil
}
