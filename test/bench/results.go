package main

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"key-value/test/record"
)

// results is what results.json holds.
type results struct {
	Time     time.Time `json:"time"`
	Command  string    `json:"command"`
	Machine  machine   `json:"machine"`
	Rounds   int       `json:"rounds"`
	Duration string    `json:"duration"` // of one measurement
	Targets  []verdict `json:"targets"`
	Outcomes []outcome `json:"outcomes"`
}

func newResults(ctx context.Context, s settings, outcomes []outcome) results {
	r := results{
		Time: time.Now().UTC().Truncate(time.Second), Command: s.command, Machine: newMachine(ctx),
		Rounds: s.rounds, Duration: s.duration.String(), Outcomes: outcomes,
	}
	for _, t := range targets {
		r.Targets = append(r.Targets, t.judge(outcomes))
	}
	return r
}

// write writes results.json, results.txt and results.svg to dir, which is made if it is not there, unless it is empty.
func (r results) write(dir string) error {
	if err := record.Write(dir, "results", r, r.print); err != nil || dir == "" {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "results.svg"), r.chart(), 0o644)
}
