package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
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

// print writes the tables: a column for each site.
func (r results) print(w io.Writer) error {
	fmt.Fprintf(w, "%s\n%d processors, %s, %s\n", r.Command, r.CPUs, r.Go, r.Redis)
	fmt.Fprintf(w, "%s; %d entries; medians of %d rounds of %s\n", r.Time.Format("2006-01-02"), r.Entries, r.Rounds, r.Duration)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	r.table(t, "operations in a second", func(f *figure) string { return thousands(median(f.Rate)) })
	r.table(t, "microseconds of the nodes' processors, for each operation", func(f *figure) string { return decimals(f.Nodes) })
	r.table(t, "microseconds of the kvservice's processors, for each operation", func(f *figure) string { return decimals(f.Service) })
	r.table(t, "p50 / p99, in microseconds", func(f *figure) string {
		if len(f.P50) == 0 {
			return ""
		}
		return thousands(median(f.P50)) + " / " + thousands(median(f.P99))
	})
	r.printMemory(t)
	r.printTargets(t)
	return t.Flush()
}

// table writes what show makes of each scenario at each site. Scenarios of which it makes nothing are left out.
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
	fmt.Fprintf(w, "\nbytes for each entry\t%s\t\n", strings.Join(r.Sites, "\t"))
	entry, change := "entry and index", "its latest change, kept for watches"
	for _, site := range r.Sites {
		entry += fmt.Sprintf("\t%.0f", r.Memory[site].Entry)
		change += fmt.Sprintf("\t%.0f", r.Memory[site].Change)
	}
	fmt.Fprintf(w, "%s\t\n%s\t\n", entry, change)
}

func (r results) printTargets(w io.Writer) {
	fmt.Fprint(w, "\nratios within rounds\tat least\tis\tlowest–highest\t\n")
	for _, v := range r.Targets {
		reached := "reached"
		if !v.Reached {
			reached = "NOT REACHED"
		}
		fmt.Fprintf(w, "%s, %s\t%.2f\t%.3f\t%.3f–%.3f\t%s\n", v.Text, v.Site, v.AtLeast, v.Ratio, v.Low, v.High, reached)
	}
}

// decimals writes the median of values, or nothing if all are zero.
func decimals(values []float64) string {
	if m := median(values); m >= 0.005 {
		return fmt.Sprintf("%.2f", m)
	}
	return ""
}

// thousands writes n with commas.
func thousands(n float64) string {
	text := strconv.Itoa(int(n + 0.5))
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
