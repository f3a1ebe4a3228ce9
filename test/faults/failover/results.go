package main

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"

	"key-value/test/record"
)

// faultStats are the measurements of one kind of fault.
type faultStats struct {
	answered   int           // calls, from the fault to the end of its repair
	lasted     time.Duration // from the fault to the end of its repair
	recoveries []time.Duration
	lost       int // acknowledged writes
	oldest     time.Duration
	rejected   int // resume tokens from before the fault
	accepted   int
}

// report records a round that has ended.
func (r *run) report(repaired instant, recovery time.Duration, fresh []loss, before []*watcher) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.fault
	t := r.stats[f.kind]
	if t == nil {
		t = &faultStats{}
		r.stats[f.kind] = t
	}
	t.answered += r.meter.between(f.from, repaired)
	t.lasted += repaired - f.from
	t.recoveries = append(t.recoveries, recovery)
	t.lost += len(fresh)
	for _, l := range fresh {
		t.oldest = max(t.oldest, f.age(l))
	}
	for _, w := range before {
		w.mu.Lock()
		if w.ends > 0 {
			t.rejected++
		} else {
			t.accepted++
		}
		w.mu.Unlock()
	}
	fmt.Fprintf(r.progress, "%6.1fs  %-46s writable after %4.2f s, repaired after %4.2f s, %3d lost\n", r.now().Seconds(), f.kind,
		recovery.Seconds(), (repaired - f.from).Seconds(), len(fresh))
}

// results are the content of failover.json.
type results struct {
	Seed       uint64      `json:"seed"`
	Commit     string      `json:"commit"`
	Machine    string      `json:"machine"`
	Time       time.Time   `json:"time"`
	Seconds    float64     `json:"seconds"`
	Killed     int         `json:"primaries_killed"` // or leaders
	Unplanned  int         `json:"unplanned"`        // rounds in which other failovers may have happened
	Peak       float64     `json:"peak"`             // calls per second without a fault
	Answered   int         `json:"answered"`
	Unanswered int64       `json:"unanswered"`
	Etags      int         `json:"etags"`                        // that were observed
	Lost       int         `json:"lost"`                         // acknowledged writes
	Window     float64     `json:"window"`                       // seconds
	Watches    int         `json:"watches"`                      // watches that ended because they may have delivered lost writes
	Histories  int64       `json:"histories,omitempty"`          // that were linearizable, of etcd
	Checked    int64       `json:"operations_checked,omitempty"` // in those histories
	Faults     []row       `json:"faults"`
	Wrong      []violation `json:"violations"`

	name, file string
}

// row is one line of the table.
type row struct {
	Fault    string  `json:"fault"`
	Times    int     `json:"times"`
	Goodput  float64 `json:"goodput"` // calls per second during the fault
	OfPeak   float64 `json:"of_peak"`
	Median   float64 `json:"recovery_median_seconds"`
	Longest  float64 `json:"recovery_longest_seconds"`
	Lost     int     `json:"lost"`
	Oldest   float64 `json:"oldest_lost_seconds"` // how long before the death of its primary it was acknowledged
	Refused  int     `json:"tokens_too_old"`
	Accepted int     `json:"tokens_accepted"`
	Wrong    int     `json:"violations"`
}

func (r *run) results() results {
	all := results{
		Seed: r.seed, Commit: r.stage.commit, Time: time.Now().Add(-r.now()).UTC().Truncate(time.Second),
		Machine: fmt.Sprintf("%s/%s, %d CPUs", runtime.GOOS, runtime.GOARCH, runtime.NumCPU()),
		Seconds: r.now().Seconds(), Peak: r.meter.highest, Answered: r.meter.total, Unanswered: r.meter.unanswered.Load(),
		Etags: r.etags.count(), Lost: len(r.losses), Unplanned: r.unplanned, Window: window.Seconds(), Wrong: r.violations,
		Histories: r.checked.histories.Load(), Checked: r.checked.operations.Load(), name: r.stage.suite.victims, file: r.stage.suite.file,
	}
	for _, w := range r.watchers {
		all.Watches += w.ends
	}
	for _, kind := range r.stage.suite.order {
		t := r.stats[kind]
		if t == nil {
			continue
		}
		slices.Sort(t.recoveries)
		goodput := float64(t.answered) / max(t.lasted.Seconds(), 1e-9)
		one := row{
			Fault: kind, Times: len(t.recoveries), Goodput: goodput, OfPeak: goodput / max(all.Peak, 1),
			Median: t.recoveries[len(t.recoveries)/2].Seconds(), Longest: t.recoveries[len(t.recoveries)-1].Seconds(),
			Lost: t.lost, Oldest: t.oldest.Seconds(), Refused: t.rejected, Accepted: t.accepted,
		}
		for _, v := range r.violations {
			if v.Fault == kind {
				one.Wrong++
			}
		}
		if slices.Contains(r.stage.suite.kills, kind) {
			all.Killed += one.Times
		}
		all.Faults = append(all.Faults, one)
	}
	return all
}

// print writes the results as a table.
func (r results) print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "fault\ttimes\tgoodput/s\tof peak\trecovery, median\tlongest\tlost writes\toldest\ttokens too old\taccepted\tviolations\t")
	for _, f := range r.Faults {
		fmt.Fprintf(table, "%s\t%d\t%.0f\t%.0f %%\t%.2f s\t%.2f s\t%d\t%.3f s\t%d\t%d\t%d\t\n", f.Fault, f.Times, f.Goodput, 100*f.OfPeak,
			f.Median, f.Longest, f.Lost, f.Oldest, f.Refused, f.Accepted, f.Wrong)
	}
	err := table.Flush()
	_, printErr := fmt.Fprintf(w, "\n%d %s killed in %.0f s: %d violations. %d calls answered, %d not; %d etags observed; "+
		"%d acknowledged writes lost; %d watches ended. In %d rounds other failovers may have happened. Peak %.0f calls/s. Seed %d, commit %s, %s.\n",
		r.Killed, r.name, r.Seconds, len(r.Wrong), r.Answered, r.Unanswered, r.Etags, r.Lost, r.Watches, r.Unplanned, r.Peak, r.Seed, r.Commit, r.Machine)
	if r.Histories > 0 {
		fmt.Fprintf(w, "%d histories with %d operations are linearizable.\n", r.Histories, r.Checked)
	}
	return errors.Join(err, printErr)
}

// write writes the results to a directory, unless it is empty.
func (r results) write(dir string) error { return record.Write(dir, r.file, r, r.print) }
