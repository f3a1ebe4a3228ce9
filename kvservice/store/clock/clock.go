// Package clock measures time for engines by the monotonic clock, and shows it by the wall clock.
//
// Setting the wall clock changes neither when an entry expires nor the order of two instants. It moves all times that are
// shown: each is the wall clock's time now, plus what is left until the instant or minus what has passed since.
//
// An instant is a number of nanoseconds since the clock was made.
package clock

import (
	"sync/atomic"
	"time"
)

// slack is how far the wall clock may be off without being noticed. It is more than the time between two readings, so that
// an instant is shown the same each time, and less than programs that synchronize clocks correct in one step.
const slack = 100 * time.Millisecond

// Clock is a clock of this process. Make it with [New].
type Clock struct {
	start time.Time
	begin atomic.Int64 // what the wall clock shows for start, in nanoseconds of Unix time
	ahead atomic.Int64 // by how much Advance has moved the clock
}

// New returns a clock whose first instant is now.
func New() *Clock {
	c := &Clock{start: time.Now()}
	c.begin.Store(c.start.UnixNano())
	return c
}

// Advance moves the clock ahead, as if d had passed. The wall time that it shows moves along.
func (c *Clock) Advance(d time.Duration) { c.ahead.Add(int64(d)) }

// Now returns the current instant.
func (c *Clock) Now() int64 { return int64(time.Since(c.start)) + c.ahead.Load() }

// Read returns the current instant, and how to show others.
func (c *Clock) Read() Reading {
	now := time.Now()
	passed := int64(now.Sub(c.start))
	r := Reading{Now: passed + c.ahead.Load(), begin: c.begin.Load()}
	if begin := now.UnixNano() - passed; apart(begin, r.begin) > slack {
		c.begin.Store(begin)
		r.begin = begin
	}
	return r
}

// Reading is one look at a clock.
type Reading struct {
	Now   int64
	begin int64
}

// Wall returns an instant as wall-clock time.
func (r Reading) Wall(at int64) time.Time { return time.Unix(0, r.begin+at) }

// Unix returns an instant as nanoseconds of Unix time, by the wall clock.
func (r Reading) Unix(at int64) int64 { return r.begin + at }

// Instant returns the instant that the wall clock shows as so many nanoseconds of Unix time.
func (r Reading) Instant(unix int64) int64 { return unix - r.begin }

// Left returns the time until an instant, but at least a nanosecond: zero is for what has no end.
func (r Reading) Left(at int64) time.Duration { return max(1, time.Duration(at-r.Now)) }

// Remote is the wall clock of another machine, which may be set differently.
type Remote struct {
	begin atomic.Int64 // what it shows for the first instant of the local clock, in nanoseconds of Unix time
}

// Observe records what the remote clock showed between two readings of the local one. The first call must be with what the
// local clock shows.
func (c *Remote) Observe(sent, received Reading, shows time.Time) {
	earliest, latest := shows.UnixNano()-received.Now, shows.UnixNano()-sent.Now
	fits := func(begin int64) bool { return begin > earliest-int64(slack) && begin < latest+int64(slack) }
	switch {
	case fits(received.begin):
		c.begin.Store(received.begin)
	case !fits(c.begin.Load()):
		c.begin.Store(earliest + (latest-earliest)/2)
	}
}

// Instant returns the instant at which the remote clock shows t.
func (c *Remote) Instant(t time.Time) int64 { return t.UnixNano() - c.begin.Load() }

func apart(a, b int64) time.Duration { return time.Duration(a - b).Abs() }
