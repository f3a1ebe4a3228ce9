package cli

import (
	"strconv"

	"github.com/spf13/cobra"

	"key-value/internal/server/memlimit"
	"key-value/kvservice/store/memory"
)

// What one of each costs at most, in bytes, from what task costs measures; docs/guides/limits.md has the figures. A
// connection costs most if its client has been busy, a watch, together with its connection, if its reader has stopped, and a
// call while it is served. What their values take is in flight.
const (
	connectionCost = 96 << 10
	watchCost      = 96 << 10
	callCost       = 64 << 10
)

// The defaults are no higher than these, however much memory there is.
const (
	mostConnections = 16_384
	mostWatches     = 20_000
	mostCalls       = 2048
	mostHistory     = 64 << 20
	mostOldHistory  = 8 << 20
)

// leastInFlight is enough for a few calls at a time, in bytes, however little memory there is.
const leastInFlight = 16 << 20

// division is how a process divides the memory that it may use: the values of flags that are not given.
type division struct {
	entries  int64 // for --max-memory; zero: no limit
	history  int64 // for --watch-history; zero: the default of the engine
	inFlight int64 // for --max-in-flight
	conns    int   // for --max-connections
	watches  int   // for --max-watches
	calls    int   // for --max-concurrent
}

// divide divides limit for a process that holds entries in memory, or does not. The rest, about an eighth, is for the
// program itself and for garbage.
func divide(limit int64, holdsEntries bool) division {
	if limit == 0 {
		return division{inFlight: 1 << 30, conns: mostConnections, watches: mostWatches, calls: mostCalls}
	}
	d := division{inFlight: limit / 4}
	each := limit / 8
	if holdsEntries {
		d.entries = wholeMiB(limit / 2)
		d.history = wholeMiB(min(limit/64, mostHistory))
		d.inFlight, each = limit/8, limit/16
	}
	d.inFlight = wholeMiB(d.inFlight)
	d.conns = count(each, connectionCost, mostConnections)
	d.watches = count(each, watchCost, mostWatches)
	d.calls = count(each, callCost, mostCalls)
	return d
}

// wholeMiB rounds n down to whole MiB, but not to zero.
func wholeMiB(n int64) int64 { return max(n, 1<<20) &^ (1<<20 - 1) }

// count returns how many of cost bytes each fit into limit, at least a few and at most most.
func count(limit, cost int64, most int) int { return int(min(max(limit/cost, 64), int64(most))) }

// memoryFlags are the flags for the memory of a process. What is not given follows from the limit.
type memoryFlags struct {
	limit    byteSize     // 0: what the process may use
	inFlight byteSize     // bytes of requests and responses on their way; 0 for no limit
	held     func() int64 // returns what the engine has in memory, in bytes; nil: it has nothing
	divided  []any        // how the limit was divided, as attributes for the log
}

func (m *memoryFlags) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.Var(&m.limit, "memory-limit",
		"memory that the process may use, such as 1GiB; 0: that of its cgroup, or the machine's")
	f.Var(&m.inFlight, "max-in-flight",
		"memory for requests and responses on their way; default: 1/8 to 1/4 of --memory-limit")
}

// divide sets the limits that are not given on cmd. E is nil for a gateway, which has no engine.
func (s *daemon) divide(cmd *cobra.Command, e *engineFlags) {
	limit, source := int64(s.memory.limit), "--memory-limit"
	if limit == 0 {
		limit, source = memlimit.Find()
	}
	holdsEntries := e != nil && e.store == "memory"
	d := divide(limit, holdsEntries)
	given := func(name string) bool { return cmd.Flags().Changed(name) }
	switch {
	case !holdsEntries:
	case !given("max-memory"):
		e.maxMemory = byteSize(d.entries)
		if !given("watch-history") {
			e.history, e.oldHistory = byteSize(d.history), byteSize(min(d.history, mostOldHistory))
		}
	case !given("watch-history"):
		e.history = byteSize(memory.Options{MaxMemory: int64(e.maxMemory)}.History())
	}
	if !given("max-in-flight") {
		s.memory.inFlight = byteSize(max(d.inFlight, 4*int64(s.valueSize), leastInFlight))
	}
	if !given("max-connections") {
		s.conns = d.conns
	}
	if !given("max-watches") {
		s.watches = d.watches
	}
	if !given("max-concurrent") {
		s.calls = d.calls
	}
	s.memory.limit = byteSize(limit)
	s.memory.divided = []any{
		"limit", inMiB(limit), "from", source, "in_flight", inMiB(int64(s.memory.inFlight)),
		"connections", s.conns, "watches", s.watches, "calls", s.calls,
	}
	if holdsEntries {
		s.memory.divided = append(s.memory.divided, "entries", inMiB(int64(e.maxMemory)), "history", inMiB(int64(e.history)))
	}
}

// inMiB returns n bytes as text.
func inMiB(n int64) string { return strconv.FormatInt(n>>20, 10) + "MiB" }
