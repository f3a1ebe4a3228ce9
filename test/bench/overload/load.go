package main

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// outcome counts how requests were answered.
type outcome struct {
	begin time.Time

	mu      sync.Mutex
	good    []time.Duration   // guarded by mu
	refused [][]time.Duration // with 503, for each slice of the time since begin in which they were sent; guarded by mu
	failed  int               // any other way; guarded by mu
	unsent  atomic.Int64      // all connections were busy
	took    time.Duration
}

// slice is the time over which the p99 of refusals is taken. Linux takes the CPU from programs at real-time priority for up
// to 50 ms in every second (sched_rt_runtime_us), and a p99 over seconds would measure that.
const slice = 100 * time.Millisecond

func (o *outcome) add(status int, err error, took time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case err == nil && status == 200:
		o.good = append(o.good, took)
	case err == nil && status == 503:
		o.addRefusedLocked(took)
	default:
		o.failed++
	}
}

func (o *outcome) addRefusedLocked(took time.Duration) {
	sent := int((time.Since(o.begin) - took) / slice)
	for len(o.refused) <= sent {
		o.refused = append(o.refused, nil)
	}
	o.refused[sent] = append(o.refused[sent], took)
}

// refusals returns how many requests were refused.
func (o *outcome) refusals() (n int) {
	for _, s := range o.refused {
		n += len(s)
	}
	return n
}

// refusedP99 returns the median of the p99s of all slices that have refusals, or 0 if none has.
func (o *outcome) refusedP99() time.Duration {
	var all sample
	for _, s := range o.refused {
		if len(s) > 0 {
			all.addTime(p99(s))
		}
	}
	if len(all) == 0 {
		return 0
	}
	return all.time()
}

// rate returns the number of successful responses per second.
func (o *outcome) rate() float64 { return float64(len(o.good)) / o.took.Seconds() }

// p99 returns the 99th percentile, or 0 without values.
func p99(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)*99/100]
}

// closed sends requests on each connection, the next one when the last one was answered.
func closed(ctx context.Context, addr string, request []byte, connections int, d time.Duration) (*outcome, error) {
	at := make(chan time.Time)
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	go func() {
		defer close(at)
		for ctx.Err() == nil {
			at <- time.Time{}
		}
	}()
	return serveAll(addr, request, connections, at, new(outcome))
}

// open sends requests at a given rate, whether or not earlier ones were answered.
func open(ctx context.Context, addr string, request []byte, connections int, rate float64, d time.Duration) (*outcome, error) {
	at := make(chan time.Time)
	o := new(outcome)
	go func() {
		defer close(at)
		start := time.Now()
		for i := 0; ctx.Err() == nil; i++ {
			due := start.Add(time.Duration(float64(i) / rate * float64(time.Second)))
			if due.Sub(start) > d {
				return
			}
			if ahead := time.Until(due); ahead > 0 {
				time.Sleep(ahead)
			}
			select {
			case at <- due:
			default:
				o.unsent.Add(1)
			}
		}
	}()
	return serveAll(addr, request, connections, at, o)
}

// serveAll sends a request for each time it receives. It measures latency from that time, or from the actual start if
// the time is zero.
func serveAll(addr string, request []byte, connections int, at <-chan time.Time, o *outcome) (*outcome, error) {
	conns := make([]*conn, connections)
	for i := range conns {
		var err error
		if conns[i], err = dial(addr); err != nil {
			return nil, err
		}
	}
	o.begin = time.Now()
	var all sync.WaitGroup
	for _, c := range conns {
		all.Go(func() { work(c, addr, request, at, o) })
	}
	all.Wait()
	o.took = time.Since(o.begin)
	return o, nil
}

func work(c *conn, addr string, request []byte, at <-chan time.Time, o *outcome) {
	defer func() { _ = c.Close() }()
	for due := range at {
		if due.IsZero() {
			due = time.Now()
		}
		sent := time.Now()
		status, err := c.do(request)
		if status == 503 {
			due = sent // the server's latency, without the generator's delay
		}
		o.add(status, err, time.Since(due))
		if err != nil {
			_ = c.Close()
			if c, err = dial(addr); err != nil {
				return
			}
		}
	}
}
