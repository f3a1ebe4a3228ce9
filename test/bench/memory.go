package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

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
