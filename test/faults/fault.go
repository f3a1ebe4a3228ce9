package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// fault is a kind of fault.
type fault struct {
	name string
	// inject causes the fault and repairs it. Turn is how often it was injected before.
	inject func(ctx context.Context, s *stage, turn int) error
	// strict faults must not be noticed: every unary call must be answered.
	strict bool
}

// faultTime is how long a fault lasts that does not end by itself.
const faultTime = 1200 * time.Millisecond

// kinds are all kinds of faults.
var kinds = []fault{
	{name: "gateway killed, started again", inject: killGateway},
	{name: "both gateways restarted, by SIGTERM", inject: rollGateways, strict: true},
	{name: "gateway stopped (SIGSTOP)", inject: func(ctx context.Context, s *stage, turn int) error {
		return freeze(ctx, s.gateways[turn%2], faultTime)
	}},
	{name: "service stopped (SIGSTOP)", inject: func(ctx context.Context, s *stage, _ int) error {
		return freeze(ctx, s.service, faultTime)
	}},
	{name: "service killed, started empty", inject: killService},
	{name: "clients' connections reset", inject: resets(fronts)},
	{name: "hop's connections reset", inject: resets(hops)},
	{name: "hop late, by 20 ± 15 ms", inject: withToxics(hops, toxic{"latency", `{"latency":20,"jitter":15}`})},
	{name: "hop and clients in slices of 7 bytes", inject: withToxics(everywhere, toxic{"slicer", `{"average_size":7,"size_variation":6}`})},
	{name: "clients at 64 KB/s, closing late", inject: withToxics(fronts, toxic{"bandwidth", `{"rate":64}`}, toxic{"slow_close", `{"delay":500}`})},
	{name: "hop black-holed", inject: withToxics(hops, hole)},
	{name: "one gateway cut off from the service", inject: withToxics(oneHop, hole)},
	{name: "clients cut off from one gateway", inject: withToxics(oneFront, hole)},
	{name: "5,000 half-open connections", inject: flood},
	{name: "gateway without file descriptors", inject: starveGateway},
	{name: "memory limit reached", inject: fill},
}

func killGateway(ctx context.Context, s *stage, turn int) error {
	if err := s.gateways[turn%2].Kill(); err != nil {
		return err
	}
	pause(ctx, faultTime/4)
	return s.restartGateway(ctx, turn%2)
}

// rollGateways restarts one gateway after the other. It waits until the balancer considers the first one ready.
func rollGateways(ctx context.Context, s *stage, _ int) error {
	for i, p := range s.gateways {
		if err := p.Stop(stopPatience); err != nil {
			return wrong(err)
		}
		if err := s.restartGateway(ctx, i); err != nil {
			return err
		}
		for !s.backends[i].Ready() && ctx.Err() == nil {
			pause(ctx, 50*time.Millisecond)
		}
	}
	return ctx.Err()
}

// killService also checks that the new store accepts nothing from the old one.
func killService(ctx context.Context, s *stage, turn int) error {
	before, err := remember(ctx, s, fmt.Sprint("before/", turn))
	if err != nil {
		return err
	}
	if err := s.killService(ctx); err != nil {
		return err
	}
	return before.check(ctx)
}

// toxic is a toxic of toxiproxy.
type toxic struct{ kind, attributes string }

// hole drops all bytes, and closes the connections that were in it when it ends.
var hole = toxic{"timeout", `{"timeout":0}`}

func fronts(s *stage, _ int) []*proxy        { return s.fronts[:] }
func hops(s *stage, _ int) []*proxy          { return s.hops[:] }
func oneFront(s *stage, turn int) []*proxy   { return s.fronts[turn%2 : turn%2+1] }
func oneHop(s *stage, turn int) []*proxy     { return s.hops[turn%2 : turn%2+1] }
func everywhere(s *stage, turn int) []*proxy { return append(fronts(s, turn), s.hops[:]...) }

// withToxics adds toxics to proxies for a while.
func withToxics(where func(*stage, int) []*proxy, toxics ...toxic) func(context.Context, *stage, int) error {
	return func(ctx context.Context, s *stage, turn int) error {
		var errs []error
		for _, p := range where(s, turn) {
			defer p.removeToxics()
			for _, t := range toxics {
				errs = append(errs, p.addToxic(t.kind, t.attributes))
			}
		}
		pause(ctx, faultTime)
		return errors.Join(errs...)
	}
}

// resets resets all connections of proxies several times.
func resets(where func(*stage, int) []*proxy) func(context.Context, *stage, int) error {
	return func(ctx context.Context, s *stage, turn int) error {
		for range 4 {
			var errs []error
			for _, p := range where(s, turn) {
				errs = append(errs, p.addToxic("reset_peer", `{"timeout":0}`))
			}
			pause(ctx, faultTime/20)
			for _, p := range where(s, turn) {
				p.removeToxics()
			}
			pause(ctx, faultTime/5)
			if err := errors.Join(errs...); err != nil {
				return err
			}
		}
		return nil
	}
}

// wrongError is a fault of the store, as opposed to a failure of the suite.
type wrongError struct{ error }

func wrong(err error) error {
	if err == nil {
		return nil
	}
	return wrongError{err}
}

// pause waits for d, or until ctx is done.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
