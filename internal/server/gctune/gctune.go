// Package gctune sets how often the garbage collector runs, by the size of the live heap.
//
// By default Go lets the heap double between collections. That wastes memory in a store, whose heap is nearly all live, and
// collects too often in a program that holds almost nothing and serves many requests. Nor does it collect, or return memory
// to the system, soon after a store has been emptied.
package gctune

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// Policy says how far the heap may grow beyond its live part before it is collected.
type Policy struct {
	Percent int   // growth in percent of the live heap, as with GOGC
	Room    int64 // growth in bytes that is always allowed as long as the heap stays below Small
	Small   int64 // in bytes
}

// Default is the policy of all programs of this module. With it, a million entries that are all being overwritten take no
// more memory than the same strings in Redis (see test/bench/memory).
var Default = Policy{Percent: 15, Room: 64 << 20, Small: 128 << 20}

// Follow applies p until the process ends. It does nothing if GOGC or GOMEMLIMIT is set in the environment.
func (p Policy) Follow() {
	if !tuned() {
		p.afterEach()
	}
}

// Limit makes the collector work harder as the process approaches limit bytes of memory. It does nothing if limit is zero,
// or if GOGC or GOMEMLIMIT is set in the environment.
func Limit(limit int64) {
	if limit > 0 && !tuned() {
		debug.SetMemoryLimit(limit - limit/16) // the rest is for what the runtime does not count, such as the program itself
	}
}

// tuned reports whether the operator has set the collector.
func tuned() bool { return os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" }

// mark is an object that becomes garbage at once, so that its cleanup runs once in the next collection.
type mark struct{ _ [2]uintptr }

// afterEach adjusts the collector now and after every collection.
func (p Policy) afterEach() {
	debug.SetGCPercent(p.percentFor(live()))
	runtime.AddCleanup(new(mark), Policy.afterEach, p)
}

// leastHeap is the size, in bytes, to which the runtime lets any heap grow at 100 percent. It is proportional at others.
const leastHeap = 4 << 20

// percentFor returns the percentage to set while live bytes are live.
func (p Policy) percentFor(live int64) int {
	return max(p.Percent, int(100*min(p.Room, p.Small-live)/max(live, leastHeap)))
}

// live returns the size of the live heap, in bytes, as of the last collection.
func live() int64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}
