package main

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"

	"key-value/test/record"
)

// machine is what was measured on.
type machine struct {
	CPU       string            `json:"cpu"`
	CPUs      int               `json:"cpus"`
	MemoryGiB int               `json:"memoryGiB"`
	Kernel    string            `json:"kernel"`
	Go        string            `json:"go"`
	Commit    string            `json:"commit,omitempty"` // of the store; "-dirty" if the working tree differs
	Programs  map[string]string `json:"programs"`         // versions; of those that are not installed, none
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
	if version := firstLine(ctx, "dpkg-query", "--show", "--showformat=${Version}", "webdis"); version != "" {
		m.Programs["webdis"] = version
	}
	return m
}

// after returns what follows the first line of file that begins with prefix, or nothing.
func after(file, prefix string) string {
	text, _ := os.ReadFile(file) // not there: nothing is known
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}

// firstLine returns the first line that a command prints, whatever its exit code: wrk has none for its version.
func firstLine(ctx context.Context, command ...string) string {
	out, _ := exec.CommandContext(ctx, command[0], command[1:]...).Output()
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}
