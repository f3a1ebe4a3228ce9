package hop

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

const (
	firstWait = 50 * time.Millisecond
	// MaxWait is the longest wait between two attempts.
	MaxWait = 2 * time.Second
)

// Backoff yields the waits between attempts. The zero value yields the first one.
type Backoff struct {
	limit time.Duration // upper bound of the latest wait
}

// Next returns how long to wait now. The bound doubles each time, from 50 ms to [MaxWait], and the wait is random
// between half of it and all of it, so that many clients which lost the same service do not return to it at once.
func (b *Backoff) Next() time.Duration {
	b.limit = min(max(2*b.limit, firstWait), MaxWait)
	return b.limit/2 + rand.N(b.limit/2)
}

// Pause waits for d or until ctx is done, whichever is first.
func Pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

const (
	// budgetTokens is the size of a budget. Retries stop when half of it is spent; that half is about the number of calls
	// in two batches, so a single broken connection does not use it up.
	budgetTokens = 1000
	// tokenParts is how many answers earn one token. It limits retries to a tenth of the answered calls.
	tokenParts = 10
)

// budget limits the load that retries add to a service in trouble, as gRPC does (gRFC A6, "Throttling Retry
// Attempts"): a failure costs a token, an answer earns a tenth of one, and calls are retried only while more than half of
// the tokens are left. The zero value is full.
type budget struct {
	spent atomic.Int64 // in parts of a token; at most budgetTokens*tokenParts
}

// earn accounts for an answer.
func (b *budget) earn() {
	for spent := b.spent.Load(); spent > 0; spent = b.spent.Load() {
		if b.spent.CompareAndSwap(spent, spent-1) {
			return
		}
	}
}

// spend accounts for a failure and reports whether enough is left for a retry.
func (b *budget) spend() bool {
	for {
		before := b.spent.Load()
		after := min(before+tokenParts, budgetTokens*tokenParts)
		if b.spent.CompareAndSwap(before, after) {
			return after < budgetTokens*tokenParts/2
		}
	}
}
