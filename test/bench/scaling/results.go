package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"key-value/test/record"
)

// results is the content of results.json.
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
	Memory   map[string]memoryFigures `json:"memoryBytesPerEntry"` // :: site → bytes per entry
	Targets  []verdict                `json:"targets"`
	Figures  []*figure                `json:"figures"`
}

func (b *bench) results(ctx context.Context) results {
	version, _ := exec.CommandContext(ctx, "redis-server", "--version").Output() // fails if only Valkey is installed
	r := results{
		Time: time.Now().UTC().Truncate(time.Second), Command: b.command, CPUs: runtime.NumCPU(), Go: runtime.Version(),
		Redis: strings.TrimSpace(string(version)), Rounds: b.rounds, Duration: b.duration.String(), Entries: b.entries,
		Memory: map[string]memoryFigures{},
	}
	for _, s := range b.sites {
		r.Sites, r.Figures = append(r.Sites, s.name), append(r.Figures, s.figures...)
		r.Memory[s.name] = s.memoryFigures
		for _, g := range goals {
			if !s.memory {
				r.Targets = append(r.Targets, g.judge(s))
			}
		}
	}
	return r
}

// goal is a ratio that the project aims at, at each site.
type goal struct {
	Text    string  `json:"text"`
	of, by  string  // scenarios
	AtLeast float64 `json:"atLeast"`
}

var goals = []goal{
	{"gets in batches : redis-benchmark's GET", batchedGets, redisGets, 0.12},
	{"sets in batches : redis-benchmark's call of a set", batchedSets, redisSets, 0.4},
}

// verdict says whether a goal was reached at a site.
type verdict struct {
	goal
	Site    string  `json:"site"`
	Ratio   float64 `json:"ratio"` // median of the ratios within the rounds
	Low     float64 `json:"low"`   // the lowest of them
	High    float64 `json:"high"`  // the highest
	Reached bool    `json:"reached"`
}

func (g goal) judge(s *site) verdict {
	of, by := s.figure(g.of).Rate, s.figure(g.by).Rate
	all := make([]float64, len(of))
	for i := range of {
		all[i] = of[i] / by[i]
	}
	v := verdict{goal: g, Site: s.name, Ratio: record.Median(all), Low: slices.Min(all), High: slices.Max(all)}
	v.Reached = v.Ratio >= g.AtLeast
	return v
}

// write writes results.json and results.txt to dir, which it creates if necessary. An empty dir writes nothing.
func (r results) write(dir string) error { return record.Write(dir, "results", r, r.print) }

// print writes the tables, with a column for each site.
func (r results) print(w io.Writer) error {
	fmt.Fprintf(w, "%s\n%d CPUs, %s, %s\n", r.Command, r.CPUs, r.Go, r.Redis)
	fmt.Fprintf(w, "%s; %d entries; medians of %d rounds of %s\n", r.Time.Format("2006-01-02"), r.Entries, r.Rounds, r.Duration)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	r.table(t, "operations per second", func(f *figure) string { return record.Thousands(record.Median(f.Rate)) })
	r.table(t, "microseconds of the nodes' CPU time per operation", func(f *figure) string { return decimals(f.Nodes) })
	r.table(t, "microseconds of the kvservice's CPU time per operation", func(f *figure) string { return decimals(f.Service) })
	r.table(t, "p50 / p99, in microseconds", func(f *figure) string {
		if len(f.P50) == 0 {
			return ""
		}
		return record.Thousands(record.Median(f.P50)) + " / " + record.Thousands(record.Median(f.P99))
	})
	r.printMemory(t)
	r.printGoals(t)
	return t.Flush()
}

// table writes the result of show for each scenario and site. It leaves out scenarios that have no results.
func (r results) table(w io.Writer, heading string, show func(f *figure) string) {
	fmt.Fprintf(w, "\n%s\t%s\t\n", heading, strings.Join(r.Sites, "\t"))
	for _, c := range scenarios() {
		row, some := c.name, false
		for _, site := range r.Sites {
			text := r.shown(site, c.name, show)
			row, some = row+"\t"+text, some || text != ""
		}
		if some {
			fmt.Fprintf(w, "%s\t\n", row)
		}
	}
}

func (r results) shown(site, scenario string, show func(f *figure) string) string {
	for _, f := range r.Figures {
		if f.Site == site && f.Scenario == scenario {
			return show(f)
		}
	}
	return ""
}

func (r results) printMemory(w io.Writer) {
	fmt.Fprintf(w, "\nbytes per entry\t%s\t\n", strings.Join(r.Sites, "\t"))
	entry, change := "entry and index", "its latest change, kept for watches"
	for _, site := range r.Sites {
		entry += fmt.Sprintf("\t%.0f", r.Memory[site].Entry)
		change += fmt.Sprintf("\t%.0f", r.Memory[site].Change)
	}
	fmt.Fprintf(w, "%s\t\n%s\t\n", entry, change)
}

func (r results) printGoals(w io.Writer) {
	fmt.Fprint(w, "\nratios within rounds\tat least\tis\tlowest–highest\t\n")
	for _, v := range r.Targets {
		reached := "reached"
		if !v.Reached {
			reached = "NOT REACHED"
		}
		fmt.Fprintf(w, "%s, %s\t%.2f\t%.3f\t%.3f–%.3f\t%s\n", v.Text, v.Site, v.AtLeast, v.Ratio, v.Low, v.High, reached)
	}
}

// decimals returns the median of values, or nothing if all are zero.
func decimals(values []float64) string {
	if m := record.Median(values); m >= 0.005 {
		return fmt.Sprintf("%.2f", m)
	}
	return ""
}
