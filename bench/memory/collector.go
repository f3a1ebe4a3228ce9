package main

import (
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// collector says when garbage is collected. A small heap may grow by room bytes, so that it is not collected
// all the time, as long as it stays below small bytes; any heap may grow by percent of what is live.
type collector struct {
	percent int
	room    int64
	small   int64
}

// start has the runtime follow c until the returned function is called.
func (c collector) start() (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			c.adjust()
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// adjust sets the percentage for what is live now.
func (c collector) adjust() {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	live := max(int64(sample[0].Value.Uint64()), 1<<20)
	room := min(c.room, c.small-live)
	debug.SetGCPercent(max(c.percent, int(100*room/live)))
}
