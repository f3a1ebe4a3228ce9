package hop

import "sync/atomic"

const (
	// budgetTokens is how many failures are forgiven at once, twice over. Half of it is about what two batches carry:
	// one connection that breaks should not use it up.
	budgetTokens = 1000
	// tokenParts is how many answers earn the token that a failure costs. It makes retries a tenth of the load.
	tokenParts = 10
)

// budget bounds how much calls that are made again may add to the load of a service that is in trouble, as gRPC does
// (gRFC A6, "Throttling Retry Attempts"): a failure costs a token, an answer earns a tenth of one, and calls are made
// again only while more than half of the tokens are left. The zero value is a full one.
type budget struct {
	spent atomic.Int64 // in parts of a token, up to all of them
}

// earn is told of an answer.
func (b *budget) earn() {
	for spent := b.spent.Load(); spent > 0; spent = b.spent.Load() {
		if b.spent.CompareAndSwap(spent, spent-1) {
			return
		}
	}
}

// spend is told of a failure, and returns whether there is enough left to try again.
func (b *budget) spend() bool {
	for {
		before := b.spent.Load()
		after := min(before+tokenParts, budgetTokens*tokenParts)
		if b.spent.CompareAndSwap(before, after) {
			return after < budgetTokens*tokenParts/2
		}
	}
}
