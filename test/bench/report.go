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
	fmt.Fprintf(w, "%s\n%s, %s\n", r.Command, r.Time.Format("2006-01-02"), r.conditions())
	for _, group := range byScenario(r.Outcomes) {
		title := group[0].Scenario + ", "
		err := printScenario(w, title+group[0].Unit, group, rateText)
		if err == nil && hasCPU(group) {
			err = printScenario(w, title+"CPU time of the server for each, µs", group, cpuText)
		}
		if err != nil {
			return err
		}
	}
	if err := r.printGoals(w); err != nil {
		return err
	}
	return r.printMissing(w)
}

// conditions says on what and how the results were measured.
func (r results) conditions() string {
	text := fmt.Sprintf("%d × %s, %s, %s; medians of %s of %s", r.Machine.CPUs, r.Machine.CPU, r.Machine.Kernel, r.Machine.Go,
		count(r.Rounds, "round"), r.Duration)
	if r.Priority != "" {
		text += ", at " + r.Priority
	}
	return text
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
func printScenario(w io.Writer, title string, group []outcome, text func(figure) string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\n%s\n", title)
	names := contenders(group)
	wide := 0
	for _, name := range names {
		wide = max(wide, utf8.RuneCountInString(name))
	}
	for _, o := range group {
		fmt.Fprintf(t, "\t%s", o.Setting)
	}
	fmt.Fprintln(t, "\t")
	for _, name := range names {
		fmt.Fprintf(t, "%-*s", wide, name)
		for _, o := range group {
			fmt.Fprintf(t, "\t%s", o.cell(name, text))
		}
		fmt.Fprintln(t, "\t")
	}
	return t.Flush()
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

// cell returns the text for a contender's figure, or "" if it did not compete.
func (o outcome) cell(contender string, text func(figure) string) string {
	for _, f := range o.Figures {
		if f.Contender == contender {
			return text(f)
		}
	}
	return ""
}

func rateText(f figure) string {
	if f.Missing != "" {
		return "MISSING"
	}
	return record.Thousands(f.Median)
}

func cpuText(f figure) string {
	switch {
	case f.CPU == 0:
		return ""
	case f.CPU < 10:
		return fmt.Sprintf("%.2f", f.CPU)
	}
	return fmt.Sprintf("%.1f", f.CPU)
}

// hasCPU reports whether the CPU time of any server is known.
func hasCPU(group []outcome) bool {
	return slices.ContainsFunc(group, func(o outcome) bool {
		return slices.ContainsFunc(o.Figures, func(f figure) bool { return f.CPU > 0 })
	})
}

func (r results) printGoals(w io.Writer) error {
	fmt.Fprint(w, "\nGoals, as medians of ratios within rounds\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\tgoal\tmoonshot\tis\tlowest–highest\t")
	for _, v := range r.Targets {
		fmt.Fprintf(t, "%s, %s\t%s\n", v.Text, v.Setting, strings.Join(v.cells(), "\t"))
	}
	return t.Flush()
}

func (r results) printMissing(w io.Writer) error {
	missing := r.missing()
	if len(missing) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(w, "\n%s\n", strings.Join(missing, "\n"))
	return err
}

// missing returns each reason for missing figures once.
func (r results) missing() []string {
	var said []string
	for _, o := range r.Outcomes {
		for _, f := range o.Figures {
			line := fmt.Sprintf("MISSING %s: %s", f.Contender, f.Missing)
			if f.Missing != "" && !slices.Contains(said, line) {
				said = append(said, line)
			}
		}
	}
	return said
}

func firstLineOf(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
