package main

import (
	"context"
	"fmt"
	"time"
)

const (
	// closedConnections are enough to keep the server busy.
	closedConnections = 16
	// recovered is how long an answer takes at most by which the store counts as recovered.
	recovered = 50 * time.Millisecond
)

// overload measures the peak, and what is left of it when more is asked for.
func overload(ctx context.Context, addr string, connections int, d time.Duration) error {
	page := request("GET", "/v1/values?prefix=overload/&pageSize=1000", "")
	if _, err := closed(ctx, addr, page, closedConnections, d/2); err != nil { // to warm up
		return err
	}
	peak, err := closed(ctx, addr, page, closedConnections, d)
	if err != nil {
		return err
	}
	fmt.Printf("peak, closed loop on %d connections: %.0f pages/s, p99 %v\n\n", closedConnections, peak.rate(), round(p99(peak.good)))
	fmt.Printf("%-6s %10s %12s %10s %10s %12s %8s %8s %10s\n",
		"load", "offered/s", "goodput/peak", "p99 good", "refused/s", "p99 refused", "failed", "unsent", "recovery")
	for _, times := range []float64{1, 2, 5, 10} {
		o, err := open(ctx, addr, page, connections, times*peak.rate(), d)
		if err != nil {
			return err
		}
		recovery, err := recover(addr, page)
		if err != nil {
			return err
		}
		fmt.Printf("%-6s %10.0f %12.2f %10v %10.0f %12v %8d %8d %10v\n", fmt.Sprintf("%gx", times), times*peak.rate(),
			o.rate()/peak.rate(), round(p99(o.good)), float64(len(o.refused))/o.took.Seconds(), round(p99(o.refused)), o.failed,
			o.unsent.Load(), round(recovery))
	}
	return nil
}

// recover returns how long it takes until a request is answered well, and in time.
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

func round(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
