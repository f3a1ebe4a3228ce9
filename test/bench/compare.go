package main

import (
	"context"
	"fmt"
	"time"

	"key-value/test/record"
)

// contender is one side of a comparison.
type contender struct {
	name string
	// prepare starts the contender's server and checks that it answers correctly. It can be called again.
	prepare func(ctx context.Context) error
	// measure loads the server for d.
	measure func(ctx context.Context, round int, d time.Duration) (sample, error)
}

// sample is the result of one measurement.
type sample struct {
	rate float64 // per second
	cpu  float64 // microseconds that all processes of the server ran for each; 0: unknown
}

// comparison is a scenario in one setting, and who competes in it.
type comparison struct {
	scenario, setting string
	unit              string
	contenders        []contender
}

// outcome is the result of a comparison.
type outcome struct {
	Scenario string   `json:"scenario"`
	Setting  string   `json:"setting"`
	Unit     string   `json:"unit"`
	Figures  []figure `json:"figures"`
}

// figure is the result of one contender.
type figure struct {
	Contender string    `json:"contender"`
	Median    float64   `json:"median,omitempty"`
	Rounds    []float64 `json:"rounds,omitempty"` // one value each; none if it is missing
	// CPU is the CPU time of the server's processes for each request, call, operation or event: median and rounds.
	CPU       float64   `json:"cpuMicroseconds,omitempty"`
	CPURounds []float64 `json:"cpuRounds,omitempty"`
	Missing   string    `json:"missing,omitempty"` // why there is no value
}

// selected returns the comparisons that match --only.
func (b *bench) selected(comparisons []comparison) []comparison {
	var selected []comparison
	for _, c := range comparisons {
		if b.wants(c.scenario, c.setting) {
			selected = append(selected, c)
		}
	}
	return selected
}

func (b *bench) wants(scenario, setting string) bool {
	return b.only.MatchString(scenario + ", " + setting)
}

// compare measures all comparisons in rounds. In each round every contender is measured once in every comparison. The
// contenders of a comparison follow each other directly, and each round begins with another one. A first round warms up
// and does not count.
func (b *bench) compare(ctx context.Context, comparisons []comparison) ([]outcome, error) {
	comparisons = b.selected(comparisons)
	outcomes := make([]outcome, len(comparisons))
	for i, c := range comparisons {
		outcomes[i] = b.prepare(ctx, c)
	}
	for round := range b.rounds + 1 {
		for i, c := range comparisons {
			b.say(round, c)
			for turn := range c.contenders {
				who := (turn + round + i) % len(c.contenders)
				b.turn(ctx, c.contenders[who], &outcomes[i].Figures[who], round)
				if ctx.Err() != nil {
					return nil, context.Cause(ctx)
				}
			}
		}
	}
	for _, o := range outcomes {
		o.settle()
	}
	return outcomes, nil
}

func (b *bench) say(round int, c comparison) {
	what := fmt.Sprintf("round %d of %d", round, b.rounds)
	if round == 0 {
		what = "warming up"
	}
	fmt.Fprintf(b.progress, "%s: %s, %s\n", what, c.scenario, c.setting)
}

func (b *bench) prepare(ctx context.Context, c comparison) outcome {
	o := outcome{Scenario: c.scenario, Setting: c.setting, Unit: c.unit, Figures: make([]figure, len(c.contenders))}
	for i, who := range c.contenders {
		o.Figures[i].Contender = who.name
		if err := who.prepare(ctx); err != nil {
			o.Figures[i].Missing = err.Error()
		}
	}
	return o
}

// turn measures one contender once. One that fails is reported as missing: a server that does not answer is not fast.
func (b *bench) turn(ctx context.Context, c contender, f *figure, round int) {
	if f.Missing != "" {
		return
	}
	d := b.duration
	if round == 0 {
		d /= 4
	}
	s, err := c.measure(ctx, round, d)
	switch {
	case err != nil:
		f.Missing, f.Rounds, f.CPURounds = err.Error(), nil, nil
	case round > 0:
		f.Rounds = append(f.Rounds, s.rate)
		if s.cpu > 0 {
			f.CPURounds = append(f.CPURounds, s.cpu)
		}
	}
}

// settle computes the medians.
func (o outcome) settle() {
	for i := range o.Figures {
		f := &o.Figures[i]
		f.Median, f.CPU = record.Median(f.Rounds), record.Median(f.CPURounds)
	}
}

// ratios divides the figures of two contenders round by round.
func ratios(of, by []float64) []float64 {
	var all []float64
	for i := range min(len(of), len(by)) {
		if by[i] > 0 {
			all = append(all, of[i]/by[i])
		}
	}
	return all
}
