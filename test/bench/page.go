package main

import (
	"fmt"
	"strings"

	"key-value/test/record"
)

// writer is what the page calls this program.
const writer = "task bench"

// writePage replaces the tables in page. An empty page writes nothing.
func (r results) writePage(page string) error {
	if page == "" {
		return nil
	}
	return record.Replace(page, writer, r.markdown())
}

// markdown returns how the results were obtained, the goals, and a table for each scenario.
func (r results) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "On %s, %s:\n\n    %s\n\n", r.Time.Format("2006-01-02"), r.conditions(), r.Command)
	b.WriteString("| | goal | moonshot | result | lowest–highest | |\n|---|---|---|---|---|---|\n")
	for _, v := range r.Targets {
		fmt.Fprintf(&b, "| %s, %s | %s |\n", v.Text, v.Setting, strings.Join(v.cells(), " | "))
	}
	for _, group := range byScenario(r.Outcomes) {
		writeScenario(&b, group)
	}
	for i, line := range r.missing() {
		if i == 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "- %s\n", firstLineOf(line))
	}
	return b.String()
}

// writeScenario writes a row for each contender and a column for each setting.
func writeScenario(b *strings.Builder, group []outcome) {
	title := group[0].Scenario + ", " + group[0].Unit
	if hasCPU(group) {
		title += " · µs of CPU time"
	}
	fmt.Fprintf(b, "\n| %s |", title)
	for _, o := range group {
		fmt.Fprintf(b, " %s |", o.Setting)
	}
	fmt.Fprintf(b, "\n|---|%s\n", strings.Repeat("---|", len(group)))
	for _, name := range contenders(group) {
		fmt.Fprintf(b, "| %s |", name)
		for _, o := range group {
			fmt.Fprintf(b, " %s |", strings.TrimSpace(o.cell(name, rateText)+separated(o.cell(name, cpuText))))
		}
		b.WriteString("\n")
	}
}

// separated returns text after a separator, or "" if it is empty.
func separated(text string) string {
	if text == "" {
		return ""
	}
	return " · " + text
}
