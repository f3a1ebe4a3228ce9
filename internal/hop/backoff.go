package hop

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	firstWait = 50 * time.Millisecond
	// LongestWait is the most that two attempts are apart.
	LongestWait = 2 * time.Second
)

// Backoff is how long to wait between attempts. The zero value is ready for the first one.
type Backoff struct {
	longest time.Duration // what the latest wait could have been at most
}

// Next returns how long to wait now: longer each time, but at random at least half of it, so that many clients that
// lost one service do not come back to it at once.
func (b *Backoff) Next() time.Duration {
	b.longest = min(max(2*b.longest, firstWait), LongestWait)
	return b.longest/2 + rand.N(b.longest/2)
}

// Pause waits for d, or until ctx is done if that is sooner.
func Pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
