package main

import (
	"context"

	"key-value/internal/testkit/proc"
	"key-value/test/bench/dataset"
)

// storeBefore is another build of cmd/kv, which --before names.
const storeBefore = "store-before"

// before returns what the same contender of the other build is called.
func before(contender string) string { return "before: " + contender }

// startBefore starts the other build of a contender.
func (s *stage) startBefore(ctx context.Context, contender string) (*proc.Process, error) {
	switch contender {
	case before(oneProcess):
		return s.startStore(ctx, storeBefore, dataset.Entries, "serve")
	case before(kvservice):
		return s.startStore(ctx, storeBefore, dataset.Entries, "kvservice")
	}
	return s.startGateway(ctx, storeBefore, before(kvservice))
}

// goals returns what this run should reach. A build should be as fast as the one before it, within the 5 % that such runs
// can tell apart.
func (s settings) goals() []target {
	if s.before == "" {
		return targets
	}
	var all []target
	add := func(scenario, setting, contender string) {
		all = append(all, target{
			Text: scenario + ", " + contender + " : before", Scenario: scenario, Setting: setting,
			Of: contender, By: before(contender), AtLeast: 0.95,
		})
	}
	for _, scenario := range []string{restGet, restSet} {
		add(scenario, "64 connections", oneProcess)
		add(scenario, "64 connections", twoProcesses)
	}
	for _, calls := range s.calls {
		add(grpcGet, calls.String(), kvservice)
	}
	for _, scenario := range []string{batchGet, batchSet} {
		add(scenario, inFlight64, fewConnections)
	}
	return all
}
