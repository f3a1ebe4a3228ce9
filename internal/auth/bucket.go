package auth

import (
	"sync/atomic"
	"time"
)

// bucket limits how often something may happen: so many times a second, with a second's worth at once. It is a token
// bucket that knows but one number, the time at which it will be full again (GCRA), so that taking from it needs no lock.
type bucket struct {
	perSecond float64
	each      time.Duration // the time that one token takes to come
	room      time.Duration // how far ahead of now the bucket may be and still give a token
	start     time.Time
	full      atomic.Int64 // when it is full again, in nanoseconds since start
}

// newBucket returns a full bucket. PerSecond must be more than 0.
func newBucket(perSecond float64) *bucket {
	each := max(1, time.Duration(float64(time.Second)/perSecond))
	return &bucket{perSecond: perSecond, each: each, room: max(0, time.Second-each), start: time.Now()}
}

// take takes a token, or returns how long it takes until there is one.
func (b *bucket) take(now time.Time) (time.Duration, bool) {
	at := int64(now.Sub(b.start))
	for {
		old := b.full.Load()
		full := max(old, at)
		if wait := time.Duration(full-at) - b.room; wait > 0 {
			return wait, false
		}
		if b.full.CompareAndSwap(old, full+int64(b.each)) {
			return 0, true
		}
	}
}

// owe takes n more tokens after take has given one. They may be more than there are: then those who come next wait.
func (b *bucket) owe(n int) { b.full.Add(int64(n) * int64(b.each)) }
