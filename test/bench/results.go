package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"key-value/test/bench/plot"
	"key-value/test/record"
)

// results is the content of results.json.
type results struct {
	Time     time.Time `json:"time"`
	Command  string    `json:"command"`
	Machine  machine   `json:"machine"`
	Rounds   int       `json:"rounds"`
	Duration string    `json:"duration"` // of one measurement
	Priority string    `json:"priority,omitempty"`
	Targets  []verdict `json:"targets"`
	Outcomes []outcome `json:"outcomes"`
}

func newResults(ctx context.Context, s settings, outcomes []outcome) results {
	r := results{
		Time: time.Now().UTC().Truncate(time.Second), Command: s.command, Machine: newMachine(ctx),
		Rounds: s.rounds, Duration: s.duration.String(), Priority: priority(), Outcomes: outcomes,
	}
	for _, g := range s.goals() {
		r.Targets = append(r.Targets, g.judge(outcomes))
	}
	return r
}

// write writes results.json, results.txt and results.svg to dir, which it creates if necessary. An empty dir writes
// nothing.
func (r results) write(dir string) error {
	if err := record.Write(dir, "results", r, r.print); err != nil || dir == "" {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "results.svg"), r.chart(), 0o644)
}

// machine describes the machine and the programs.
type machine struct {
	CPU       string            `json:"cpu"`
	CPUs      int               `json:"cpus"`
	MemoryGiB int               `json:"memoryGiB"`
	Kernel    string            `json:"kernel"`
	Go        string            `json:"go"`
	Commit    string            `json:"commit,omitempty"` // of the store; "-dirty" if the working tree differs
	Programs  map[string]string `json:"programs"`         // versions of the programs that are installed
}

func newMachine(ctx context.Context) machine {
	m := machine{
		CPU: after("/proc/cpuinfo", "model name\t: "), CPUs: runtime.NumCPU(), Go: runtime.Version(),
		Kernel: runtime.GOOS + "/" + runtime.GOARCH + " " + after("/proc/sys/kernel/osrelease", ""),
		Commit: record.Commit(ctx), Programs: map[string]string{},
	}
	kib, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(after("/proc/meminfo", "MemTotal:")), " kB"))
	m.MemoryGiB = (kib + 1<<19) >> 20
	for _, command := range [][]string{{"wrk", "--version"}, {"h2load", "--version"}, {"redis-server", "--version"}} {
		if line := firstLine(ctx, command...); line != "" {
			m.Programs[command[0]] = line
		}
	}
	for _, name := range []string{"webdis", "nginx"} {
		if version := firstLine(ctx, "dpkg-query", "--show", "--showformat=${Version}", name); version != "" {
			m.Programs[name] = version
		}
	}
	return m
}

// after returns what follows prefix in the first line of file that begins with it, or "".
func after(file, prefix string) string {
	text, _ := os.ReadFile(file) // a missing file gives no information
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}

// firstLine returns the first line that a command prints, whatever its exit code: wrk --version fails.
func firstLine(ctx context.Context, command ...string) string {
	out, _ := exec.CommandContext(ctx, command[0], command[1:]...).Output()
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}

// colors are the colors of the contenders. Ours are blue.
var colors = map[string]string{
	oneProcess:          "#1f6feb",
	twoProcesses:        "#58a6ff",
	unbatched:           "#8aa4c8",
	kvservice:           "#1f6feb",
	"key-value, engine": "#1f6feb",
	fewConnections:      "#1f6feb",
	manyConnections:     "#58a6ff",
	library:             "#1f6feb",
	grpcClient:          "#e08700",
	asBuilt:             "#e08700",
	grpcGo:              "#e08700",
	webdis:              "#d1495b",
	redis:               "#d1495b",
	etcdJSON:            "#2a9d6f",
	etcd:                "#2a9d6f",
	nginx:               "#6e7781",
}

// chart draws one panel for each scenario.
func (r results) chart() []byte {
	c := plot.Chart{
		Title: "key-value beside its peers",
		Note: fmt.Sprintf("%s, %d × %s, medians of %s of %s", r.Time.Format("2006-01-02"), r.Machine.CPUs, r.Machine.CPU,
			count(r.Rounds, "round"), r.Duration),
	}
	for _, group := range byScenario(r.Outcomes) {
		c.Panels = append(c.Panels, panel(group))
	}
	return c.SVG()
}

func panel(group []outcome) plot.Panel {
	p := plot.Panel{Title: group[0].Scenario, Unit: group[0].Unit}
	for _, o := range group {
		g := plot.Group{Label: o.Setting}
		for _, f := range o.Figures {
			g.Bars = append(g.Bars, plot.Bar{Name: f.Contender, Color: colors[f.Contender], Value: f.Median})
		}
		p.Groups = append(p.Groups, g)
	}
	return p
}
