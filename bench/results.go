package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"
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

// write writes results.json, results.txt and results.svg to dir, which is made if it is not there.
func (r results) write(dir string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	var tables bytes.Buffer
	return errors.Join(
		os.MkdirAll(dir, 0o755),
		r.print(&tables),
		os.WriteFile(filepath.Join(dir, "results.txt"), tables.Bytes(), 0o644),
		os.WriteFile(filepath.Join(dir, "results.json"), append(text, '\n'), 0o644),
		os.WriteFile(filepath.Join(dir, "results.svg"), r.chart(), 0o644),
	)
}
