package main

import (
	"time"

	"key-value/internal/testkit/proc"
)

// processorTime is how long nodes and service have run.
type processorTime struct{ nodes, service time.Duration }

// processor returns how much a site has taken of the processors up to now. It needs Linux's /proc.
func (s *site) processor() (processorTime, error) {
	var p processorTime
	var err error
	if p.service, err = proc.CPUTime(s.service.Pid()); err != nil || s.memory {
		return p, err
	}
	for _, node := range s.nodes.Nodes() {
		t, err := proc.CPUTime(node.Pid())
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
