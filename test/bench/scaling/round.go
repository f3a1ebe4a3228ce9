package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"key-value/internal/testkit/proc"
)

// figure is the result of a scenario at a site.
type figure struct {
	Site     string `json:"site"`
	Scenario string `json:"scenario"`
	// One value per round.
	Rate    []float64 `json:"perSecond"`
	Nodes   []float64 `json:"nodesMicroseconds"`   // CPU time of the nodes per operation
	Service []float64 `json:"serviceMicroseconds"` // of the service
	P50     []float64 `json:"p50Microseconds,omitempty"`
	P99     []float64 `json:"p99Microseconds,omitempty"`
}

// measure measures every site in every scenario once per round. Each round begins with another site and reverses the
// order of the scenarios. A first round warms up and does not count.
func (b *bench) measure(ctx context.Context) error {
	for _, s := range b.sites {
		for _, c := range scenarios() {
			if !c.redis || !s.memory {
				s.figures = append(s.figures, &figure{Site: s.name, Scenario: c.name})
			}
		}
	}
	for round := range b.rounds + 1 {
		for turn := range b.sites {
			s := b.sites[(turn+round)%len(b.sites)]
			fmt.Fprintf(b.progress, "round %d of %d: %s\n", round, b.rounds, s.name)
			if err := b.visit(ctx, s, round); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	return b.check(ctx)
}

// visit measures a site in all scenarios.
func (b *bench) visit(ctx context.Context, s *site, round int) error {
	all := scenarios()
	if round%2 == 1 {
		slices.Reverse(all)
	}
	d := b.duration
	if round == 0 {
		d /= 4
	}
	for _, c := range all {
		if c.redis && s.memory {
			continue
		}
		taken, err := c.measure(ctx, b, s, round, d)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		if round > 0 {
			s.figure(c.name).add(taken)
		}
	}
	return nil
}

func (s *site) figure(scenario string) *figure {
	at := slices.IndexFunc(s.figures, func(f *figure) bool { return f.Scenario == scenario })
	if at < 0 {
		return nil
	}
	return s.figures[at]
}

func (f *figure) add(s sample) {
	f.Rate = append(f.Rate, s.rate)
	f.Nodes = append(f.Nodes, microseconds(s.cpu.nodes)/s.operations)
	f.Service = append(f.Service, microseconds(s.cpu.service)/s.operations)
	if s.p50 > 0 {
		f.P50 = append(f.P50, microseconds(s.p50))
		f.P99 = append(f.P99, microseconds(s.p99))
	}
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// check returns an error unless the site has as many entries as in the beginning, and no get has missed.
func (b *bench) check(ctx context.Context) error {
	for _, s := range b.sites {
		stats, err := s.client.Stats(ctx)
		if err != nil {
			return err
		}
		if stats.Keys != int64(b.entries) || stats.Misses != 0 {
			return fmt.Errorf("%s has %d entries, want %d, and gets have missed %d", s.name, stats.Keys, b.entries, stats.Misses)
		}
	}
	return nil
}

// cpuTime is the CPU time of nodes and service.
type cpuTime struct{ nodes, service time.Duration }

// cpu returns the CPU time of a site so far. It needs Linux's /proc.
func (s *site) cpu() (cpuTime, error) {
	var p cpuTime
	var err error
	if p.service, err = proc.CPUTime(s.service.Pid()); err != nil || s.memory {
		return p, err
	}
	for _, node := range s.nodes.Nodes() {
		t, err := proc.CPUTime(node.Pid())
		if err != nil {
			return p, err
		}
		p.nodes += t
	}
	return p, nil
}

// metered adds to a sample its CPU time.
func (s *site) metered(load func() (sample, error)) (sample, error) {
	before, err := s.cpu()
	if err != nil {
		return sample{}, err
	}
	measured, err := load()
	if err != nil {
		return sample{}, err
	}
	after, err := s.cpu()
	measured.cpu = cpuTime{after.nodes - before.nodes, after.service - before.service}
	return measured, err
}
