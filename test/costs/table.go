package main

import (
	"fmt"
	"math"
	"strings"
)

// table has the figures of the kinds, in bytes.
type table struct {
	rows  []string
	cells map[string]*[3]float64 // :: row → figures by column; zero: not measured
}

func (t *table) add(k kind, each float64) {
	if t.cells == nil {
		t.cells = map[string]*[3]float64{}
	}
	if t.cells[k.row] == nil {
		t.rows = append(t.rows, k.row)
		t.cells[k.row] = &[3]float64{}
	}
	t.cells[k.row][k.column] = each
}

// markdown returns the table in whole KiB, rounded up.
func (t *table) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| KiB for each | %s |\n|---|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
	for _, row := range t.rows {
		fmt.Fprintf(&b, "| %s |", row)
		for _, each := range t.cells[row] {
			if each == 0 {
				b.WriteString(" |")
				continue
			}
			fmt.Fprintf(&b, " %.0f |", math.Ceil(each/(1<<10)))
		}
		b.WriteString("\n")
	}
	return b.String()
}
