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
	"key-value/test/record"
)

// memory runs bench/memory, which measures the engine alone.
func (b *bench) memory(ctx context.Context) ([]outcome, error) {
	var outcomes []outcome
	for _, n := range b.entries {
		setting := record.Thousands(n) + " entries"
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
	binary, err := b.servers.binary(ctx, "memory")
	if err != nil {
		return nil, err
	}
	out, err := proc.Command{Path: binary, Args: []string{"-entries", strconv.Itoa(n)}}.Output(ctx)
	if err != nil {
		return nil, err
	}
	return parseMemory(out), nil
}

// addRow adds a figure from the table.
func (o *outcome) addRow(contender string, row map[string]string, column string, err error) {
	value, parseErr := strconv.ParseFloat(row[column], 64)
	if err == nil && parseErr != nil {
		err = fmt.Errorf("command memory printed no figure %q", column)
	}
	o.add(contender, []float64{value}, err)
}

var gap = regexp.MustCompile(`\s{2,}`)

// parseMemory parses the table for one number of entries into comparisons by row and column. Columns are separated by at
// least two spaces.
func parseMemory(out string) map[string]map[string]string {
	rows := map[string]map[string]string{}
	var header []string
	for line := range strings.Lines(out) {
		comparisons := gap.Split(strings.TrimSpace(line), -1)
		switch {
		case slices.Contains(comparisons, "who"):
			header = comparisons
		case len(header) > 0 && len(comparisons) == len(header):
			row := map[string]string{}
			for i, name := range header {
				row[name] = comparisons[i]
			}
			rows[row["who"]] = row
		}
	}
	return rows
}

// growth measures whole servers as they are filled: their memory per entry, and then the rate of ours. Each size has
// new processes.
func (b *bench) growth(ctx context.Context) ([]outcome, error) {
	var outcomes []outcome
	for _, n := range b.entries {
		setting := record.Thousands(n) + " entries"
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

// add adds the figure of a contender, or why it has none.
func (o *outcome) add(contender string, values []float64, err error) {
	f := figure{Contender: contender, Rounds: values, Median: record.Median(values)}
	if err != nil {
		f = figure{Contender: contender, Missing: err.Error()}
	}
	o.Figures = append(o.Figures, f)
}

// growStore fills a server of ours with n entries and measures gets of them.
func (b *bench) growStore(ctx context.Context, n int) (bytes, rates []float64, err error) {
	server, err := b.servers.startProgram(ctx, store, "serve", "--listen", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer stop(server)
	perEntry, err := grown(server, n, func() error { return fillStore(ctx, server.Addr, n) })
	if err != nil {
		return nil, nil, err
	}
	if err := errors.Join(load.Installed("wrk"), ours.prepare(ctx, "http://"+server.Addr, allEntries(false, 64, n))); err != nil {
		return nil, nil, err
	}
	requests, err := b.servers.requests(ours, allEntries(false, 64, n))
	if err != nil {
		return nil, nil, err
	}
	for round := range b.rounds {
		done, err := load.Wrk(ctx, "http://"+server.Addr, requests, round, 64, b.duration)
		if err != nil {
			return nil, nil, err
		}
		rates = append(rates, done.PerSecond)
	}
	return []float64{perEntry}, rates, nil
}

func (b *bench) growRedis(ctx context.Context, n int) ([]float64, error) {
	server, err := b.servers.startRedis(ctx, 0, "--appendonly", "no", "--dir", b.servers.dir)
	if err != nil {
		return nil, err
	}
	defer stop(server)
	perEntry, err := grown(server, n, func() error { return fillRedis(ctx, server.Addr, n) })
	return []float64{perEntry}, err
}

// settling is how long a server rests after it was filled, before its memory is measured.
const settling = time.Second

// grown returns how much the server's memory grows per entry when fill writes n of them.
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
