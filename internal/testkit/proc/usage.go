package proc

import (
	"fmt"
	"os"
	"path/filepath"
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
	fields, err := stat(pid)
	if err != nil {
		return 0, err
	}
	var all time.Duration
	for _, field := range fields[11:13] { // utime and stime
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		all += time.Duration(ticks) * clockTick
	}
	return all, nil
}

// CPUTime returns how long the program and the processes that it has started have run, without those that have ended. It
// needs Linux.
func (p *Process) CPUTime() (time.Duration, error) {
	files, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0, err
	}
	group := strconv.Itoa(p.Pid()) // it is the first of its process group
	all, err := CPUTime(p.Pid())
	for _, file := range files {
		pid, _ := strconv.Atoi(filepath.Base(file)) // it is a number
		if pid == p.Pid() {
			continue
		}
		if fields, err := stat(pid); err != nil || fields[2] != group { // others end meanwhile
			continue
		}
		if d, err := CPUTime(pid); err == nil {
			all += d
		}
	}
	return all, err
}

// stat returns the fields of /proc/PID/stat from the state on. They follow the program's name, in parentheses, which may
// contain spaces.
func stat(pid int) ([]string, error) {
	file := fmt.Sprintf("/proc/%d/stat", pid)
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 13 {
		return nil, fmt.Errorf("%s has only %q", file, text)
	}
	return fields, nil
}
