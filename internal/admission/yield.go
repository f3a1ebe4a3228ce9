package admission

import (
	"os"
	"runtime"
)

// glance is a look at the network, for one caller at a time.
//
// [runtime.Gosched] is none: as long as there are goroutines that can run, the scheduler looks at the network every
// 10 ms only, and whoever comes meanwhile is not even refused. A byte in a pipe comes by the same way as a request, so
// to wait for one makes the scheduler look there, once it has nothing else to run.
type glance struct {
	read, write *os.File
	sent, got   [1]byte
}

// newGlance returns nil if there is no pipe to be had.
func newGlance() *glance {
	read, write, err := os.Pipe()
	if err != nil {
		return nil
	}
	return &glance{read: read, write: write}
}

// take returns when those whose requests have come by now had their chance to look at them.
func (g *glance) take() {
	if g != nil {
		go g.send() // runs once we wait
		_, _ = g.read.Read(g.got[:])
	}
	runtime.Gosched() // the scheduler wakes first who became ready last, which are we
}

func (g *glance) send() { _, _ = g.write.Write(g.sent[:]) }
