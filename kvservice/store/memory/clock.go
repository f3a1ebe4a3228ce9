package memory

import (
	"time"

	"key-value/kvservice/store/memory/tree"
)

// clock counts nanoseconds since the engine was made. It is monotonic: setting the wall clock changes
// neither when an entry expires nor the order of two instants, nor what is shown of either.
type clock struct {
	start time.Time
	shown time.Time // start without its monotonic reading
}

func newClock() clock {
	start := time.Now()
	return clock{start, start.Round(0)}
}

// now is the present instant.
func (c clock) now() int64 { return int64(time.Since(c.start)) }

// wall is the instant at as people know it.
func (c clock) wall(at int64) time.Time { return c.shown.Add(time.Duration(at)) }

// deadline is when an entry expires that is written at the instant now and lives for ttl.
func deadline(now int64, ttl time.Duration) int64 {
	if ttl <= 0 || int64(ttl) > tree.Never-now {
		return tree.Never
	}
	return now + int64(ttl)
}
