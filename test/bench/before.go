package main

import (
	"context"

	"key-value/internal/testkit/proc"
	"key-value/test/bench/dataset"
)

// storeBefore is the build of cmd/kv that --before names.
const storeBefore = "store-before"

// before returns the name of the same contender in the other build.
func before(contender string) string { return "before: " + contender }

// startBefore starts a contender of the other build.
func (s *servers) startBefore(ctx context.Context, contender string) (*proc.Process, error) {
	switch contender {
	case before(oneProcess):
		return s.startStore(ctx, storeBefore, dataset.Entries, "serve")
	case before(kvservice):
		return s.startStore(ctx, storeBefore, dataset.Entries, "kvservice")
	}
	return s.startGateway(ctx, storeBefore, contender)
}

// goals returns the goals of this run. With --before, a build should be as fast as the other, within the 5 % that such runs
// can distinguish.
func (s settings) goals() []goal {
	if s.before == "" {
		return goals
	}
	var all []goal
	add := func(scenario, setting, contender string) {
		all = append(all, goal{
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
