package main

import (
	"slices"
	"testing"

	"key-value/test/record"
)

// measured returns outcomes in which one side did twice what the other did, in rounds that differ widely.
func measured() []outcome {
	return []outcome{
		{Scenario: restGet, Setting: "16 connections", Unit: "requests/s", Figures: []figure{{Contender: twoProcesses, Rounds: []float64{1}}}},
		{Scenario: restGet, Setting: "64 connections", Unit: "requests/s", Figures: []figure{
			{Contender: twoProcesses, Rounds: []float64{2, 200, 30}},
			{Contender: asBuilt, Rounds: []float64{1, 100, 10}, Median: 10, CPU: 41.5},
			{Contender: webdis, Missing: "webdis is not installed: apt install webdis"},
		}},
	}
}

func TestGoalsAreJudgedByRatiosWithinRounds(t *testing.T) {
	aim := goal{Scenario: restGet, Setting: "64 connections", Of: twoProcesses, By: asBuilt, AtLeast: 2}
	got := aim.judge(measured())
	if got.Ratio != 2 || got.Low != 2 || got.High != 3 || !got.Reached || got.Why != "" {
		t.Errorf("judged %+v, want a ratio of 2 between 2 and 3, reached", got)
	}
	aim.AtLeast = 2.01
	if aim.judge(measured()).Reached {
		t.Error("a ratio of 2 reaches 2.01")
	}
}

func TestAGoalMayBeAnUpperBoundOfAFigure(t *testing.T) {
	aim := goal{Scenario: restGet, Setting: "64 connections", Of: asBuilt, AtMost: 10}
	if got := aim.judge(measured()); got.Ratio != 10 || !got.Reached {
		t.Errorf("judged %+v, want a figure of 10, reached", got)
	}
	aim.AtMost = 9
	if aim.judge(measured()).Reached {
		t.Error("a figure of 10 is at most 9")
	}
}

func TestAGoalWithoutItsPeerIsNotReachedAndSaysWhy(t *testing.T) {
	for peer, want := range map[string]string{
		webdis:   "webdis + Redis: webdis is not installed: apt install webdis",
		etcdJSON: "not selected",
	} {
		aim := goal{Scenario: restGet, Setting: "64 connections", Of: twoProcesses, By: peer}
		if got := aim.judge(measured()); got.Reached || got.Why != want {
			t.Errorf("without %s judged %+v, want %q", peer, got, want)
		}
	}
}

// Each goal must name a setting that is measured, or it would never be judged.
func TestEveryGoalIsMeasured(t *testing.T) {
	s, err := parseSettings(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	settings := []string{
		inFlight64, count(callers, "goroutine"), record.Thousands(s.logged) + " entries", record.Thousands(s.loaded) + " entries",
		diskSetting(s.logged, 1<<10),
	}
	for _, n := range s.connections {
		settings = append(settings, count(n, "connection"))
	}
	for _, f := range s.calls {
		settings = append(settings, f.String())
	}
	beside := s
	beside.before = "another kv"
	for _, aim := range slices.Concat(s.goals(), beside.goals()) {
		if !slices.Contains(settings, aim.Setting) {
			t.Errorf("%s: nothing is measured with %s", aim.Text, aim.Setting)
		}
	}
}
