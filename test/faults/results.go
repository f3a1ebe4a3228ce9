package main

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"text/tabwriter"
	"time"

	"key-value/test/record"
)

// faultStats are the measurements of one kind of fault.
type faultStats struct {
	times    int
	answered float64 // operations in that time
	lasted   time.Duration
	lost     int
	recovery time.Duration // the longest
}

func (t *faultStats) add(goodput float64, lasted time.Duration, lost int, recovery time.Duration) {
	t.times++
	t.answered += goodput * lasted.Seconds()
	t.lasted += lasted
	t.lost += lost
	t.recovery = max(t.recovery, recovery)
}

// results are the content of results.json.
type results struct {
	Seed       uint64      `json:"seed"`
	Commit     string      `json:"commit"`
	Machine    string      `json:"machine"`
	Time       time.Time   `json:"time"`
	Seconds    float64     `json:"seconds"`
	Peak       float64     `json:"peak"` // operations per second between faults
	Operations int         `json:"operations"`
	Violations int         `json:"violations"`
	Faults     []row       `json:"faults"`
	Wrong      []violation `json:"wrong,omitempty"`
}

// row is one line of the table.
type row struct {
	Fault      string  `json:"fault"`
	Times      int     `json:"times"`
	Operations int     `json:"operations"` // checked, in histories that began during or after this fault
	Unanswered int     `json:"unanswered"` // calls
	Goodput    float64 `json:"goodput"`    // operations per second during the fault
	OfPeak     float64 `json:"of_peak"`
	Recovery   float64 `json:"recovery_seconds"` // the longest
	Violations int     `json:"violations"`
}

func (r *runner) results() results {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := results{
		Seed: r.seed, Commit: r.stage.commit, Time: r.began.UTC().Truncate(time.Second),
		Machine: fmt.Sprintf("%s/%s, %d CPUs", runtime.GOOS, runtime.GOARCH, runtime.NumCPU()),
		Seconds: time.Since(r.began).Seconds(), Peak: r.peak, Operations: r.meter.approved(),
		Violations: len(r.violations), Wrong: r.violations,
	}
	wrong := map[string]int{}
	for _, v := range r.violations {
		wrong[v.Fault]++
	}
	for _, f := range r.faults {
		t := r.stats[f.name]
		goodput := t.answered / max(t.lasted.Seconds(), 1e-9)
		all.Faults = append(all.Faults, row{
			Fault: f.name, Times: t.times, Operations: r.meter.checked[f.name], Unanswered: t.lost, Goodput: goodput,
			OfPeak: goodput / max(r.peak, 1), Recovery: t.recovery.Seconds(), Violations: wrong[f.name],
		})
	}
	return all
}

// print writes the results as a table.
func (r results) print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "fault\ttimes\tchecked\tunanswered\tgoodput/s\tof peak\trecovery\tviolations\t")
	times := 0
	for _, f := range r.Faults {
		times += f.Times
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%.0f\t%.0f %%\t%.2f s\t%d\t\n",
			f.Fault, f.Times, f.Operations, f.Unanswered, f.Goodput, 100*f.OfPeak, f.Recovery, f.Violations)
	}
	err := table.Flush()
	_, printErr := fmt.Fprintf(w, "\n%d operations checked under %d faults of %d kinds in %.0f s: %d violations. Peak %.0f op/s. "+
		"Seed %d, commit %s, %s.\n", r.Operations, times, len(r.Faults), r.Seconds, r.Violations, r.Peak, r.Seed, r.Commit, r.Machine)
	return errors.Join(err, printErr)
}

// write writes results.txt and results.json to a directory, unless it is empty.
func (r results) write(dir string) error { return record.Write(dir, "results", r, r.print) }
