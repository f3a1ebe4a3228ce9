package main

import (
	"context"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"key-value/test/record"
)

// results is what results.json holds.
type results struct {
	Time     time.Time                `json:"time"`
	Command  string                   `json:"command"`
	CPUs     int                      `json:"cpus"`
	Go       string                   `json:"go"`
	Redis    string                   `json:"redis"`
	Rounds   int                      `json:"rounds"`
	Duration string                   `json:"duration"` // of one measurement
	Entries  int                      `json:"entries"`
	Sites    []string                 `json:"sites"`
	Memory   map[string]memoryFigures `json:"memoryBytesPerEntry"` // :: site → what an entry takes
	Targets  []verdict                `json:"targets"`
	Figures  []*figure                `json:"figures"`
}

func (b *bench) results(ctx context.Context) results {
	version, _ := exec.CommandContext(ctx, "redis-server", "--version").Output() // Valkey may be installed in its place
	r := results{
		Time: time.Now().UTC().Truncate(time.Second), Command: b.command, CPUs: runtime.NumCPU(), Go: runtime.Version(),
		Redis: strings.TrimSpace(string(version)), Rounds: b.rounds, Duration: b.duration.String(), Entries: b.entries,
		Memory: map[string]memoryFigures{},
	}
	for _, s := range b.sites {
		r.Sites, r.Figures = append(r.Sites, s.name), append(r.Figures, s.figures...)
		r.Memory[s.name] = s.memoryFigures
		for _, t := range targets {
			if !s.memory {
				r.Targets = append(r.Targets, t.judge(s))
			}
		}
	}
	return r
}

// target is a ratio that the project has set itself to reach at each site.
type target struct {
	Text    string  `json:"text"`
	of, by  string  // scenarios
	AtLeast float64 `json:"atLeast"`
}

var targets = []target{
	{"gets in batches : redis-benchmark's GET", batchedGets, redisGets, 0.12},
	{"sets in batches : redis-benchmark's call of a set", batchedSets, redisSets, 0.4},
}

// verdict is what came of a target at a site.
type verdict struct {
	target
	Site    string  `json:"site"`
	Ratio   float64 `json:"ratio"` // median of those within the rounds
	Low     float64 `json:"low"`   // the lowest of them
	High    float64 `json:"high"`  // the highest
	Reached bool    `json:"reached"`
}

func (t target) judge(s *site) verdict {
	of, by := s.figure(t.of).Rate, s.figure(t.by).Rate
	all := make([]float64, len(of))
	for i := range of {
		all[i] = of[i] / by[i]
	}
	v := verdict{target: t, Site: s.name, Ratio: median(all), Low: slices.Min(all), High: slices.Max(all)}
	v.Reached = v.Ratio >= t.AtLeast
	return v
}

// median returns the middle of values, of which there is at least one.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// write writes results.json and results.txt to dir, which is made if it is not there, unless it is empty.
func (r results) write(dir string) error { return record.Write(dir, "results", r, r.print) }
