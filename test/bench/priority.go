package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
)

// realTime is the command that runs another at real-time priority.
var realTime = []string{"chrt", "-r", "10"}

// toRealTime replaces this process with one at real-time priority, if the system allows it and it does not run at one
// already. Generators and servers inherit it, and other work on the machine disturbs them less.
func toRealTime(ctx context.Context, args []string, progress io.Writer) {
	if isRealTime() {
		return
	}
	err := exec.CommandContext(ctx, realTime[0], slices.Concat(realTime[1:], []string{"true"})...).Run()
	if err == nil {
		err = replace(args)
	}
	fmt.Fprintf(progress, "measuring at normal priority: %s: %v\n", strings.Join(realTime, " "), err)
}

// replace replaces this process by the same program with args. It returns only if that fails.
func replace(args []string) error {
	program, err := exec.LookPath(realTime[0])
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(program, slices.Concat(realTime, []string{self}, args), os.Environ())
}

// priority says at which priority the results were measured.
func priority() string {
	if isRealTime() {
		return "real-time priority"
	}
	return "normal priority"
}

// isRealTime reports whether Linux schedules this process at a real-time priority.
func isRealTime() bool {
	text, _ := os.ReadFile("/proc/self/stat") // other systems have no such file
	return realTimeStat(string(text))
}

// realTimeStat reports whether rt_priority is not 0 in the text of /proc/PID/stat. It is the 38th field after the program's
// name, which is in parentheses.
func realTimeStat(stat string) bool {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	return len(fields) >= 38 && fields[37] != "0"
}
