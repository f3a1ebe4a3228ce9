package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// processorTime is how long nodes and service have run.
type processorTime struct{ nodes, service time.Duration }

// processor returns how much a site has taken of the processors up to now. It needs Linux's /proc.
func (s *site) processor() (processorTime, error) {
	var p processorTime
	var err error
	if p.service, err = processTime(s.service.PID()); err != nil || s.memory {
		return p, err
	}
	for _, node := range s.nodes.Nodes() {
		t, err := processTime(node.Pid())
		if err != nil {
			return p, err
		}
		p.nodes += t
	}
	return p, nil
}

// metered adds to a sample what it took of the processors.
func (s *site) metered(load func() (sample, error)) (sample, error) {
	before, err := s.processor()
	if err != nil {
		return sample{}, err
	}
	measured, err := load()
	if err != nil {
		return sample{}, err
	}
	after, err := s.processor()
	measured.cpu = processorTime{after.nodes - before.nodes, after.service - before.service}
	return measured, err
}

// tick is the unit of /proc, which is the same on all of Linux's architectures that Go runs on.
const tick = 10 * time.Millisecond

// processTime returns how long a process has run, in its own code and in the kernel.
func processTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name of the program, in parentheses, may have spaces; utime and stime are the 12th and 13th behind it.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat has %q", pid, text)
	}
	var all time.Duration
	for _, field := range fields[11:13] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		all += time.Duration(ticks) * tick
	}
	return all, nil
}
