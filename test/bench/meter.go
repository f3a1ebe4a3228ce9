package main

import (
	"time"

	"key-value/test/bench/load"
)

// backends are the servers that other servers call.
var backends = map[string]string{
	twoProcesses: kvservice, unbatched: kvservice, before(twoProcesses): before(kvservice), asBuilt: grpcGo, webdis: redis,
	logged(webdis, everySecond): logged(redis, everySecond), logged(webdis, always): logged(redis, always),
}

// meter measures the CPU time of all processes of a server.
type meter struct {
	servers *servers
	server  string
	before  time.Duration
}

// meter returns a meter that has begun.
func (s *servers) meter(server string) *meter {
	m := &meter{servers: s, server: server}
	m.begin()
	return m
}

// begin forgets the CPU time until now.
func (m *meter) begin() { m.before = m.servers.cpuTime(m.server) }

// end returns what the generator did, with the CPU time since begin.
func (m *meter) end(done load.Result, err error) (sample, error) {
	if err != nil {
		return sample{}, err
	}
	took := m.servers.cpuTime(m.server) - m.before
	return sample{rate: done.PerSecond, cpu: float64(took.Nanoseconds()) / 1e3 / done.Count}, nil
}

// metered measures the CPU time of a server while it is loaded.
func (s *servers) metered(server string, work func() (load.Result, error)) (sample, error) {
	m := s.meter(server)
	return m.end(work())
}

// cpuTime returns how long a server's processes and those of the servers that it calls have run, or 0 where the system does
// not say.
func (s *servers) cpuTime(server string) time.Duration {
	var all time.Duration
	for name := server; name != ""; name = backends[name] {
		took, err := s.processes[name].CPUTime()
		if err != nil {
			return 0
		}
		all += took
	}
	return all
}
