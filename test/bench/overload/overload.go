package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"key-value/test/hostile"
	"key-value/test/record"
)

const (
	// closedConnections is enough to keep the server busy.
	closedConnections = 16
	// recovered is the latency below which the store counts as recovered.
	recovered = 50 * time.Millisecond
)

// figures are the measurements of one load. Each has one value per round.
type figures struct {
	goodput, goodP99, refused, refusedP99, recovery, failed, unsent sample
}

// overload measures the peak, and the goodput at multiples of it.
func overload(ctx context.Context, addr string, connections, rounds int, d time.Duration) error {
	page := hostile.Request("GET", "/v1/values?prefix=overload/&pageSize=1000", "")
	if _, err := closed(ctx, addr, page, closedConnections, d/2); err != nil { // to warm up
		return err
	}
	loads := []float64{1, 2, 5, 10}
	all := make([]figures, len(loads))
	var peaks, peakP99 sample
	for range rounds {
		peak, err := closed(ctx, addr, page, closedConnections, d)
		if err != nil {
			return err
		}
		peaks.add(peak.rate())
		peakP99.addTime(p99(peak.good))
		for i, times := range loads {
			if err := all[i].measure(ctx, addr, page, connections, times, peak.rate(), d); err != nil {
				return err
			}
		}
	}
	fmt.Printf("peak, closed loop on %d connections: %.0f pages/s, p99 %v\n\n", closedConnections, peaks.median(), peakP99.time())
	fmt.Printf("%-6s %12s %12s %10s %10s %12s %8s %8s %10s\n",
		"load", "goodput/peak", "low-high", "p99 good", "refused/s", "p99 refused", "failed", "unsent", "recovery")
	for i, times := range loads {
		f := &all[i]
		fmt.Printf("%-6s %12.2f %7.2f-%.2f %10v %10.0f %12v %8.0f %8.0f %10v\n", fmt.Sprintf("%gx", times),
			f.goodput.median(), slices.Min(f.goodput), slices.Max(f.goodput), f.goodP99.time(), f.refused.median(),
			f.refusedP99.time(), f.failed.median(), f.unsent.median(), f.recovery.time())
	}
	return nil
}

// measure offers a multiple of the peak.
func (f *figures) measure(
	ctx context.Context, addr string, page []byte, connections int, times, peak float64, d time.Duration,
) error {
	o, err := open(ctx, addr, page, connections, times*peak, d)
	if err != nil {
		return err
	}
	recovery, err := recover(addr, page)
	if err != nil {
		return err
	}
	f.goodput.add(o.rate() / peak)
	f.goodP99.addTime(p99(o.good))
	f.refused.add(float64(o.refusals()) / o.took.Seconds())
	f.refusedP99.addTime(o.refusedP99())
	f.failed.add(float64(o.failed))
	f.unsent.add(float64(o.unsent.Load()))
	f.recovery.addTime(recovery)
	return nil
}

// recover returns the time until a request succeeds with a low latency.
func recover(addr string, request []byte) (time.Duration, error) {
	c, err := dial(addr)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	for begin := time.Now(); ; {
		start := time.Now()
		status, err := c.do(request)
		if err != nil {
			return 0, err
		}
		if status == 200 && time.Since(start) < recovered {
			return time.Since(begin), nil
		}
	}
}

// sample is repeated measurements of a figure.
type sample []float64

func (s *sample) add(figure float64) { *s = append(*s, figure) }

// addTime adds a duration.
func (s *sample) addTime(d time.Duration) { s.add(float64(d)) }

func (s sample) median() float64 { return record.Median(s) }

// time returns the median of durations.
func (s sample) time() time.Duration { return time.Duration(s.median()).Round(10 * time.Microsecond) }
