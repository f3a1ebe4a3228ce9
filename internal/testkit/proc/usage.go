package proc

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Memory returns a figure of /proc/PID/status in bytes: VmRSS, what the process has in memory now, or VmHWM, the most it
// had. It needs Linux.
func Memory(pid int, name string) (int64, error) {
	file := fmt.Sprintf("/proc/%d/status", pid)
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("%s has no %s", file, name)
}

// ForgetPeak starts VmHWM again from what the process has in memory now.
func ForgetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}

// clockTick is the unit of times in /proc. It is the same on every architecture that Go supports on Linux.
const clockTick = 10 * time.Millisecond

// CPUTime returns how long a process has run, in its own code and in the kernel. It needs Linux.
func CPUTime(pid int) (time.Duration, error) {
	file := fmt.Sprintf("/proc/%d/stat", pid)
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	// The program's name, in parentheses, may contain spaces. The 12th and 13th fields after it are utime and stime.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("%s has only %q", file, text)
	}
	var all time.Duration
	for _, field := range fields[11:13] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		all += time.Duration(ticks) * clockTick
	}
	return all, nil
}
