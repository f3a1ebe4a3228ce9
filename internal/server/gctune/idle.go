package gctune

import (
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// lookInterval is the time between two looks at the heap.
	lookInterval = 10 * time.Second
	// leastSpare is how much spare memory is worth a collection, in bytes.
	leastSpare = 16 << 20
)

// ReturnSpare returns memory to the system once the process has much more than it needs and allocates little, such as
// after most entries were deleted: the collector would not run for minutes, and keeps what the heap had at its largest.
// Held returns how many bytes the process is known to need, or nil if nothing is known. ReturnSpare does nothing if GOGC
// or GOMEMLIMIT is set in the environment.
//
// The function that it returns stops that.
func ReturnSpare(held func() int64) (stop func()) {
	if tuned() {
		return func() {}
	}
	if held == nil {
		held = func() int64 { return 0 }
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		returnSpare(held, quit)
	}()
	return func() { close(quit); <-done }
}

func returnSpare(held func() int64, quit <-chan struct{}) {
	ticker := time.NewTicker(lookInterval)
	defer ticker.Stop()
	last := look(held())
	for {
		select {
		case <-quit:
			return
		case <-ticker.C:
		}
		now := look(held())
		now.needed = min(now.needed, last.needed)
		if now.wasteful(now.allocated - last.allocated) {
			debug.FreeOSMemory()
			now = look(held())
		}
		last = now
	}
}

// heap is what the heap has at an instant, in bytes.
type heap struct {
	held      int64
	other     int64 // beyond held: what else the process needs, garbage, and free memory that the process keeps
	needed    int64 // the least that other has been since memory was last returned, which tells what is needed of it
	allocated int64 // since the process began
}

// wasteful reports whether it is worth a collection to return memory. That is the case if much of the heap is spare, and the
// process will not soon use it again: it has allocated only lately bytes since the last look.
func (h heap) wasteful(lately int64) bool {
	spare := h.other - h.needed
	return spare >= max(leastSpare, h.held/8) && lately <= spare/4
}

// look returns what the heap has now, all of which may be needed.
func look(held int64) heap {
	sample := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"}, {Name: "/gc/heap/allocs:bytes"},
	}
	metrics.Read(sample)
	value := func(i int) int64 { return int64(sample[i].Value.Uint64()) }
	other := value(0) + value(1) + value(2) - held
	return heap{held: held, other: other, needed: other, allocated: value(3)}
}
