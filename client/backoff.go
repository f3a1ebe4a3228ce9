package client

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	firstWait   = 50 * time.Millisecond
	longestWait = 2 * time.Second
)

// backoff is how long to wait between attempts. The zero value is ready for the first one.
type backoff struct {
	longest time.Duration // what the latest wait could have been at most
}

// wait waits longer each time, but at random at least half of it: many clients that lost one service do not come back
// to it at once. It returns at once when ctx is done.
func (b *backoff) wait(ctx context.Context) {
	b.longest = min(max(2*b.longest, firstWait), longestWait)
	timer := time.NewTimer(b.longest/2 + rand.N(b.longest/2))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
