package main

import (
	"context"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// scripted is a contender with the given rates, round by round. It appends its name to log when it is measured.
func scripted(name string, log *[]string, rates ...float64) contender {
	return contender{
		name:    name,
		prepare: func(context.Context) error { return nil },
		measure: func(_ context.Context, round int, _ time.Duration) (sample, error) {
			*log = append(*log, name)
			if rates[round] == 0 {
				return sample{}, errors.New("it broke")
			}
			return sample{rate: rates[round], cpu: 1e6 / rates[round]}, nil
		},
	}
}

func newBench(rounds int) *bench {
	return &bench{
		settings: settings{rounds: rounds, duration: time.Second, only: regexp.MustCompile("")}, progress: io.Discard,
	}
}

func TestContendersTakeTurns(t *testing.T) {
	var log []string
	comparisons := []comparison{{scenario: "s", setting: "1", contenders: []contender{
		scripted("a", &log, 1, 10, 20, 30), scripted("b", &log, 1, 1, 2, 3), scripted("c", &log, 1, 1, 1, 1),
	}}}
	outcomes, err := newBench(3).compare(t.Context(), comparisons)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(log, ""), "abc"+"bca"+"cab"+"abc"; got != want {
		t.Errorf("the order was %s, want %s", got, want)
	}
	a := outcomes[0].Figures[0]
	if !slices.Equal(a.Rounds, []float64{10, 20, 30}) || a.Median != 20 || a.CPU != 50_000 {
		t.Errorf("a did %+v, want its three rounds without the first, which warms up", a)
	}
}

func TestAContenderThatBreaksIsMissing(t *testing.T) {
	var log []string
	outcomes, err := newBench(3).compare(t.Context(), []comparison{{contenders: []contender{
		scripted("a", &log, 1, 10, 0, 30), scripted("b", &log, 1, 1, 2, 3),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	a, b := outcomes[0].Figures[0], outcomes[0].Figures[1]
	if a.Missing != "it broke" || a.Rounds != nil || a.Median != 0 {
		t.Errorf("a did %+v, want it to be missing", a)
	}
	if b.Median != 2 {
		t.Errorf("b did %+v, want it to continue", b)
	}
}

func TestOnlySelectsWhatIsCompared(t *testing.T) {
	var log []string
	b := newBench(1)
	b.only = regexp.MustCompile("REST get, 64")
	outcomes, err := b.compare(t.Context(), []comparison{
		{scenario: restGet, setting: "1 connection", contenders: []contender{scripted("a", &log, 1, 1)}},
		{scenario: restGet, setting: "64 connections", contenders: []contender{scripted("b", &log, 1, 1)}},
	})
	if err != nil || len(outcomes) != 1 || slices.Contains(log, "a") {
		t.Errorf("compared %v, %v; want only what matches", log, err)
	}
}

func TestAStoppedBenchmarkMeasuresNothingMore(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var log []string
	_, err := newBench(1).compare(ctx, []comparison{{contenders: []contender{
		scripted("a", &log, 1, 1), scripted("b", &log, 1, 1),
	}}})
	if !errors.Is(err, context.Canceled) || len(log) != 1 {
		t.Errorf("after %v: %v, want it to stop", log, err)
	}
}
