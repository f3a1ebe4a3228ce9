package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"key-value/internal/testkit/proc"
	"key-value/test/hostile"
)

const (
	// goodRate is the rate of the measured gets per second, on goodConnections.
	goodRate        = 1000
	goodConnections = 32
	// settle is how long the hostile peers work before anything is measured.
	settle = 2 * time.Second
)

// besides measures how hostile peers affect the p99 of well-behaved ones, in alternation with their p99 alone.
func besides(ctx context.Context, addr string, rounds int, d time.Duration) error {
	fmt.Printf("\n%-24s %10s %12s %8s %12s %8s\n", "hostile peers", "idle p99", "p99 besides", "ratio", "low-high", "failed")
	for _, h := range hostile.Kinds() {
		var idles, busies, ratios, failures sample
		for range rounds {
			idle, _, err := good(ctx, addr, d)
			if err != nil {
				return err
			}
			end, err := loose(ctx, h, addr)
			if err != nil {
				return err
			}
			time.Sleep(settle)
			busy, failed, err := good(ctx, addr, d)
			if err := errors.Join(err, end()); err != nil {
				return err
			}
			idles.addTime(idle)
			busies.addTime(busy)
			ratios.add(busy.Seconds() / idle.Seconds())
			failures.add(float64(failed))
			time.Sleep(settle) // the server recovers
		}
		fmt.Printf("%-24s %10v %12v %8.2f %7.2f-%.2f %8.0f\n", h.Name, idles.time(), busies.time(), ratios.median(),
			slices.Min(ratios), slices.Max(ratios), failures.median())
	}
	return nil
}

// good returns the p99 of gets, and how many failed.
func good(ctx context.Context, addr string, d time.Duration) (time.Duration, int, error) {
	o, err := open(ctx, addr, hostile.Request("GET", "/v1/values/overload/0042", ""), goodConnections, goodRate, d)
	if err != nil {
		return 0, 0, err
	}
	return p99(o.good), o.failed + o.refusals() + int(o.unsent.Load()), nil
}

// loose starts the peers as a process of their own, and returns what ends it. The process uses the CPU of this one at a
// lower priority, so that the well-behaved peers do not wait for their own CPU.
func loose(ctx context.Context, h hostile.Kind, addr string) (end func() error, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := proc.Command{Path: "chrt", Args: []string{"--other", "0", "nice", "-n", "19", self, "--be", h.Name, addr}, Log: os.Stderr}
	peers, err := c.Start()
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = peers.Kill() }) // they may have ended
	return func() error {
		defer stop()
		return peers.Stop(stopGrace)
	}, nil
}

// be runs hostile peers until ctx is done.
func be(ctx context.Context, name, addr string) error {
	for _, h := range hostile.Kinds() {
		if h.Name == name {
			h.Begin(ctx, addr)
			return nil
		}
	}
	return fmt.Errorf("unknown hostile peers %q", name)
}
