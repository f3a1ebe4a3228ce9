package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// results are the content of attack.json.
type results struct {
	Commit  string    `json:"commit"`
	Time    time.Time `json:"time"`
	Attacks []row     `json:"attacks"`
}

// row is one attack with its bounds.
type row struct {
	Attack   string  `json:"attack"`
	Peers    int     `json:"peers"`
	MiB      float64 `json:"peak_mib"`
	MaxMiB   float64 `json:"max_peak_mib"`
	IdleP99  float64 `json:"idle_p99_ms"`
	P50      float64 `json:"p50_ms"`
	P99      float64 `json:"p99_ms"`
	MaxP99   float64 `json:"max_p99_ms"`
	Calls    int     `json:"calls"`
	Failed   int     `json:"failed"`
	Livez    float64 `json:"livez_ms"` // on a new connection
	Holds    bool    `json:"holds"`
	MustHold bool    `json:"must_hold"`
	Broken   string  `json:"broken,omitempty"`
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Round(10*time.Microsecond)) / float64(time.Millisecond)
}

// row compares what was measured with the bounds.
func (a attack) row(before, during observation, live time.Duration, peak int64) row {
	r := row{
		Attack: a.Name, Peers: a.Peers, MiB: float64(peak>>10) / 1024, MaxMiB: a.mib,
		IdleP99: milliseconds(before.p99), P50: milliseconds(during.p50), P99: milliseconds(during.p99),
		MaxP99: milliseconds(maxP99), Calls: during.calls, Failed: during.failed, Livez: milliseconds(live),
		MustHold: a.holds,
	}
	switch {
	case r.MiB > r.MaxMiB:
		r.Broken = "memory"
	case during.failed*100 > during.calls:
		r.Broken = "calls failed"
	case during.p99 > maxP99:
		r.Broken = "p99"
	case live > maxLive:
		r.Broken = "/livez"
	}
	r.Holds = r.Broken == ""
	return r
}

// String returns the row as one line of a log.
func (r row) String() string {
	return fmt.Sprintf("%s: %.0f MiB of %.0f, p99 %.1f ms of %.0f, /livez %.1f ms, %d of %d calls failed %s",
		r.Attack, r.MiB, r.MaxMiB, r.P99, r.MaxP99, r.Livez, r.Failed, r.Calls, r.Broken)
}

// print prints the table.
func (r results) print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "attack\tpeers\tpeak MiB\tbound\tidle p99 ms\tp50 ms\tp99 ms\tbound\tfailed\t/livez ms\tresult\t")
	for _, a := range r.Attacks {
		result := "holds"
		if !a.Holds {
			result = "BROKEN: " + a.Broken
		}
		fmt.Fprintf(table, "%s\t%d\t%.0f\t%.0f\t%.1f\t%.1f\t%.1f\t%.0f\t%d of %d\t%.1f\t%s\t\n",
			a.Attack, a.Peers, a.MiB, a.MaxMiB, a.IdleP99, a.P50, a.P99, a.MaxP99, a.Failed, a.Calls, a.Livez, result)
	}
	return table.Flush()
}

// verdict returns an error for attacks that broke a bound although the store is known to withstand them.
func (r results) verdict() (err error) {
	for _, a := range r.Attacks {
		if a.MustHold && !a.Holds {
			err = errors.Join(err, fmt.Errorf("%s broke its bound: %s", a.Attack, a.Broken))
		}
	}
	return err
}
