package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"key-value/test/record"
)

// print writes a table for each scenario, then the goals, then what is missing.
func (r results) print(w io.Writer) error {
	fmt.Fprintf(w, "%s\n%d × %s, %s, Go %s\n", r.Command, r.Machine.CPUs, r.Machine.CPU, r.Machine.Kernel, r.Machine.Go)
	fmt.Fprintf(w, "%s; medians of %s of %s\n", r.Time.Format("2006-01-02"), count(r.Rounds, "round"), r.Duration)
	for _, group := range byScenario(r.Outcomes) {
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintf(w, "\n%s, %s\n", group[0].Scenario, group[0].Unit)
		printScenario(t, group)
		if err := t.Flush(); err != nil {
			return err
		}
	}
	if err := r.printGoals(w); err != nil {
		return err
	}
	return r.printMissing(w)
}

// byScenario groups outcomes by scenario, in their order.
func byScenario(outcomes []outcome) [][]outcome {
	var groups [][]outcome
	for _, o := range outcomes {
		at := slices.IndexFunc(groups, func(g []outcome) bool { return g[0].Scenario == o.Scenario })
		if at < 0 {
			at, groups = len(groups), append(groups, nil)
		}
		groups[at] = append(groups[at], o)
	}
	return groups
}

// printScenario writes a row for each contender and a column for each setting.
func printScenario(w io.Writer, group []outcome) {
	names := contenders(group)
	wide := 0
	for _, name := range names {
		wide = max(wide, utf8.RuneCountInString(name))
	}
	for _, o := range group {
		fmt.Fprintf(w, "\t%s", o.Setting)
	}
	fmt.Fprintln(w, "\t")
	for _, name := range names {
		fmt.Fprintf(w, "%-*s", wide, name)
		for _, o := range group {
			fmt.Fprintf(w, "\t%s", o.cell(name))
		}
		fmt.Fprintln(w, "\t")
	}
}

func contenders(group []outcome) []string {
	var names []string
	for _, o := range group {
		for _, f := range o.Figures {
			if !slices.Contains(names, f.Contender) {
				names = append(names, f.Contender)
			}
		}
	}
	return names
}

// cell returns the figure of a contender, or "" if it did not compete.
func (o outcome) cell(contender string) string {
	for _, f := range o.Figures {
		switch {
		case f.Contender != contender:
		case f.Missing != "":
			return "MISSING"
		default:
			return record.Thousands(f.Median)
		}
	}
	return ""
}

func (r results) printGoals(w io.Writer) error {
	fmt.Fprint(w, "\nGoals, as medians of ratios within rounds\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\tat least\tis\tlowest–highest\t")
	for _, v := range r.Targets {
		fmt.Fprintf(t, "%s, %s\t%.2f\t%s\n", v.Text, v.Setting, v.AtLeast, v.text())
	}
	return t.Flush()
}

func (v verdict) text() string {
	switch {
	case v.Why != "":
		return "?\t\tnot measured: " + firstLineOf(v.Why)
	case v.Reached:
		return fmt.Sprintf("%.3f\t%.2f–%.2f\treached", v.Ratio, v.Low, v.High)
	}
	return fmt.Sprintf("%.3f\t%.2f–%.2f\tNOT REACHED", v.Ratio, v.Low, v.High)
}

// printMissing prints each reason for missing figures once.
func (r results) printMissing(w io.Writer) error {
	var said []string
	for _, o := range r.Outcomes {
		for _, f := range o.Figures {
			line := fmt.Sprintf("MISSING %s: %s", f.Contender, f.Missing)
			if f.Missing != "" && !slices.Contains(said, line) {
				said = append(said, line)
			}
		}
	}
	if len(said) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(w, "\n%s\n", strings.Join(said, "\n"))
	return err
}

func firstLineOf(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
