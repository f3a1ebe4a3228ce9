// Package gctune says how often the garbage collector of a program runs.
//
// Go's default lets the heap grow by as much as is live. That is too much for a store, whose live heap is nearly
// all of it, and too little for a program that holds next to nothing and answers a lot of requests.
package gctune

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// Policy is how far the heap may grow beyond what is live before it is collected.
type Policy struct {
	Percent int   // of what is live
	Room    int64 // at the least, in bytes, while the heap stays below Small
	Small   int64 // up to where a heap is small, in bytes
}

// Default is the policy of all our programs. It was found with bench/memory: a million entries that are all being
// overwritten take no more memory than the same strings in Redis.
var Default = Policy{Percent: 15, Room: 64 << 20, Small: 128 << 20}

// Follow applies p from now on. It does nothing if the environment has GOGC or GOMEMLIMIT, which say otherwise.
func (p Policy) Follow() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	p.afterEach()
}

// mark is garbage at once, so that what is to be done when it is collected is done once in each collection.
type mark struct{ _ [2]uintptr }

// afterEach adjusts the collector now and after each collection.
func (p Policy) afterEach() {
	debug.SetGCPercent(p.percentFor(live()))
	runtime.AddCleanup(new(mark), Policy.afterEach, p)
}

// leastHeap is what the runtime lets any heap grow to at 100 %, in bytes, and in proportion at others.
const leastHeap = 4 << 20

// percentFor returns how far the heap may grow while so many bytes are live.
func (p Policy) percentFor(live int64) int {
	return max(p.Percent, int(100*min(p.Room, p.Small-live)/max(live, leastHeap)))
}

// live returns how many bytes the last collection found in use.
func live() int64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}
