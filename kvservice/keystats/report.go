package keystats

import (
	"math"
	"time"
)

// Rate is the estimated rate of a key, or of the keys with a prefix.
type Rate struct {
	Key       string
	PerSecond float64
	Share     float64 // of all operations of its kind, from 0 to 1
}

// Traffic is the estimated traffic of one kind, reads or writes.
type Traffic struct {
	PerSecond float64
	Keys      []Rate // the highest first
	Prefixes  []Rate // the highest first
}

// Report is what a recorder knows.
type Report struct {
	Window       time.Duration // over which rates are estimated
	SampledEvery int           // one in so many operations is sampled
	Reads        Traffic
	Writes       Traffic
	SlowCalls    []Call // the slowest first
}

// Report returns what r knows, with up to limit elements in each list.
func (r *Recorder) Report(limit int) Report {
	now := time.Since(r.start)
	reads, writes := r.weights(now)
	return Report{
		Window:       window(now),
		SampledEvery: int(r.every.Load()),
		Reads:        reads.traffic(limit, window(now)),
		Writes:       writes.traffic(limit, window(now)),
		SlowCalls:    r.slow.slowest(limit, now),
	}
}

// window returns the time over which rates are estimated now.
func window(now time.Duration) time.Duration {
	return max(time.Second, time.Duration(float64(decay)*-math.Expm1(-float64(now)/float64(decay))))
}

// weights are the weights of one kind of traffic. Divided by one, they are numbers of operations.
type weights struct {
	one, all       float64
	keys, prefixes []weight
}

func (r *Recorder) weights(now time.Duration) (reads, writes weights) {
	r.mu.Lock()
	defer r.mu.Unlock()
	one := math.Exp(float64(now-r.zero) / float64(decay))
	of := func(t traffic) weights {
		return weights{one, t.weight, t.keys.weights(leastOperations * one), t.prefixes.weights(leastOperations * one)}
	}
	return of(r.reads), of(r.writes)
}

func (w weights) traffic(limit int, window time.Duration) Traffic {
	second := w.one * window.Seconds()
	rates := func(found []weight) []Rate {
		found = heaviest(found, limit)
		rates := make([]Rate, len(found))
		for i, f := range found {
			rates[i] = Rate{f.key, f.certain / second, f.certain / w.all}
		}
		return rates
	}
	return Traffic{PerSecond: w.all / second, Keys: rates(w.keys), Prefixes: rates(w.prefixes)}
}

// Hottest returns the rates of the key that is read most and of the one that is written most. They are zero if there is
// none, and if less than one operation a second is read or written: then shares say nothing.
func (r *Recorder) Hottest() (read, write Rate) {
	report := r.Report(1)
	return report.Reads.hottest(), report.Writes.hottest()
}

func (t Traffic) hottest() Rate {
	if t.PerSecond < 1 || len(t.Keys) == 0 {
		return Rate{}
	}
	return t.Keys[0]
}
