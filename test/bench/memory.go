package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"key-value/internal/testkit/proc"
	"key-value/test/bench/load"
)

// memory runs package memory, which measures the engine alone.
func (b *bench) memory(ctx context.Context) ([]outcome, error) {
	var outcomes []outcome
	for _, n := range b.entries {
		setting := thousands(n) + " entries"
		if !b.wants(perEntry, setting) {
			continue
		}
		b.announce(perEntry, setting)
		rows, err := b.memoryTable(ctx, n)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		for _, column := range []string{"at rest", "overwritten"} {
			o := outcome{Scenario: perEntry + ", " + column, Setting: setting, Unit: "resident bytes/entry"}
			o.addRow("key-value, engine", rows["memory"], column, err)
			o.addRow(redis, rows["redis"], column, errors.Join(err, load.Installed("redis-server")))
			outcomes = append(outcomes, o)
		}
	}
	return outcomes, nil
}

func (b *bench) announce(scenario, setting string) {
	fmt.Fprintf(b.progress, "%s, %s\n", scenario, setting)
}

func (b *bench) memoryTable(ctx context.Context, n int) (map[string]map[string]string, error) {
	binary, err := b.stage.binary(ctx, "memory")
	if err != nil {
		return nil, err
	}
	out, err := proc.Command{Path: binary, Args: []string{"-entries", strconv.Itoa(n)}}.Output(ctx)
	if err != nil {
		return nil, err
	}
	return parseMemory(out), nil
}

// addRow notes a cell of the table.
func (o *outcome) addRow(contender string, row map[string]string, column string, err error) {
	value, parseErr := strconv.ParseFloat(row[column], 64)
	if err == nil && parseErr != nil {
		err = fmt.Errorf("the command memory printed no figure %q", column)
	}
	o.add(contender, []float64{value}, err)
}

var gap = regexp.MustCompile(`\s{2,}`)

// parseMemory reads a table for one number of entries: its rows by who they are of, their cells by column. Columns
// are two spaces or more apart.
func parseMemory(out string) map[string]map[string]string {
	rows := map[string]map[string]string{}
	var header []string
	for line := range strings.Lines(out) {
		cells := gap.Split(strings.TrimSpace(line), -1)
		switch {
		case slices.Contains(cells, "who"):
			header = cells
		case len(header) > 0 && len(cells) == len(header):
			row := map[string]string{}
			for i, name := range header {
				row[name] = cells[i]
			}
			rows[row["who"]] = row
		}
	}
	return rows
}

// growth measures whole servers as they are filled: what they take in memory for each entry, and how fast ours then
// answers. Each size has fresh processes.
func (b *bench) growth(ctx context.Context) ([]outcome, error) {
	var outcomes []outcome
	for _, n := range b.entries {
		setting := thousands(n) + " entries"
		if !b.wants(growing, setting) {
			continue
		}
		b.announce(growing, setting)
		size := outcome{Scenario: growing, Setting: setting, Unit: "resident bytes/entry"}
		rate := outcome{Scenario: growing + ", " + restGet + ", 64 connections", Setting: setting, Unit: "requests/s"}
		bytes, rates, err := b.growStore(ctx, n)
		size.add(oneProcess, bytes, err)
		rate.add(oneProcess, rates, err)
		bytes, err = b.growRedis(ctx, n)
		size.add(redis, bytes, err)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		outcomes = append(outcomes, size, rate)
	}
	return outcomes, nil
}

// add notes what one contender did, or why it did not.
func (o *outcome) add(contender string, values []float64, err error) {
	f := figure{Contender: contender, Rounds: values, Median: median(values)}
	if err != nil {
		f = figure{Contender: contender, Missing: err.Error()}
	}
	o.Figures = append(o.Figures, f)
}

// growStore fills a store of ours with n entries and asks it for them.
func (b *bench) growStore(ctx context.Context, n int) (bytes, rates []float64, err error) {
	server, err := b.stage.startProgram(ctx, store, "serve", "--listen", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer stop(server)
	perEntry, err := grown(server, n, func() error { return fillStore(ctx, server.Addr, n) })
	if err != nil {
		return nil, nil, err
	}
	if err := errors.Join(load.Installed("wrk"), ours.check(ctx, server.Addr)); err != nil {
		return nil, nil, err
	}
	requests, err := b.stage.requests(ours, restGet, n)
	if err != nil {
		return nil, nil, err
	}
	for round := range b.rounds {
		rate, err := load.Wrk(ctx, server.Addr, requests, round, 64, b.duration)
		if err != nil {
			return nil, nil, err
		}
		rates = append(rates, rate)
	}
	return []float64{perEntry}, rates, nil
}

func (b *bench) growRedis(ctx context.Context, n int) ([]float64, error) {
	server, err := b.stage.startRedis(ctx, 0)
	if err != nil {
		return nil, err
	}
	defer stop(server)
	perEntry, err := grown(server, n, func() error { return fillRedis(ctx, server.Addr, n) })
	return []float64{perEntry}, err
}

// settling is how long a server has to come to rest when it was filled: its memory is measured then.
const settling = time.Second

// grown returns how many bytes the server's memory grows for each of the n entries that fill writes.
func grown(server *proc.Process, n int, fill func() error) (float64, error) {
	before, err := proc.Memory(server.Pid(), "VmRSS")
	if err != nil {
		return 0, err
	}
	if err := fill(); err != nil {
		return 0, err
	}
	time.Sleep(settling)
	after, err := proc.Memory(server.Pid(), "VmRSS")
	return float64(after-before) / float64(n), err
}
