package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// contender is one side of a comparison.
type contender struct {
	name string
	// prepare starts what is needed and checks that it answers rightly. It can be called again.
	prepare func(ctx context.Context) error
	// measure loads the server for d and returns how much it did in a second.
	measure func(ctx context.Context, round int, d time.Duration) (float64, error)
}

// cell is what contenders are compared in.
type cell struct {
	scenario, setting string
	unit              string
	contenders        []contender
}

// outcome is what came out of a cell.
type outcome struct {
	Scenario string   `json:"scenario"`
	Setting  string   `json:"setting"`
	Unit     string   `json:"unit"`
	Figures  []figure `json:"figures"`
}

// figure is what came out for one contender.
type figure struct {
	Contender string    `json:"contender"`
	Median    float64   `json:"median,omitempty"`
	Rounds    []float64 `json:"rounds,omitempty"`  // one value each; none if it is missing
	Missing   string    `json:"missing,omitempty"` // why there are none
}

// selected returns the cells that were asked for.
func (b *bench) selected(cells []cell) []cell {
	var selected []cell
	for _, c := range cells {
		if b.wants(c.scenario, c.setting) {
			selected = append(selected, c)
		}
	}
	return selected
}

func (b *bench) wants(scenario, setting string) bool {
	return b.only.MatchString(scenario + ", " + setting)
}

// play measures all cells in rounds. In each round every contender has its turn in every cell; the contenders of a
// cell follow each other at once, and who begins changes. A first round warms up and does not count.
func (b *bench) play(ctx context.Context, cells []cell) ([]outcome, error) {
	cells = b.selected(cells)
	outcomes := make([]outcome, len(cells))
	for i, c := range cells {
		outcomes[i] = b.prepare(ctx, c)
	}
	for round := range b.rounds + 1 {
		for i, c := range cells {
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

func (b *bench) say(round int, c cell) {
	what := fmt.Sprintf("round %d of %d", round, b.rounds)
	if round == 0 {
		what = "warming up"
	}
	fmt.Fprintf(b.progress, "%s: %s, %s\n", what, c.scenario, c.setting)
}

func (b *bench) prepare(ctx context.Context, c cell) outcome {
	o := outcome{Scenario: c.scenario, Setting: c.setting, Unit: c.unit, Figures: make([]figure, len(c.contenders))}
	for i, who := range c.contenders {
		o.Figures[i].Contender = who.name
		if err := who.prepare(ctx); err != nil {
			o.Figures[i].Missing = err.Error()
		}
	}
	return o
}

// turn measures one contender once. One that fails is out: a server that cannot answer is not fast.
func (b *bench) turn(ctx context.Context, c contender, f *figure, round int) {
	if f.Missing != "" {
		return
	}
	d := b.duration
	if round == 0 {
		d /= 4
	}
	value, err := c.measure(ctx, round, d)
	switch {
	case err != nil:
		f.Missing, f.Rounds = err.Error(), nil
	case round > 0:
		f.Rounds = append(f.Rounds, value)
	}
}

// settle computes the medians.
func (o outcome) settle() {
	for i := range o.Figures {
		o.Figures[i].Median = median(o.Figures[i].Rounds)
	}
}

// median returns the middle of values, or zero if there are none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// ratios divides what two contenders did in the same round, round by round.
func ratios(of, by []float64) []float64 {
	var all []float64
	for i := range min(len(of), len(by)) {
		if by[i] > 0 {
			all = append(all, of[i]/by[i])
		}
	}
	return all
}
