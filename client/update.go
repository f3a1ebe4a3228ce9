package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"key-value/internal/contract"
	"key-value/internal/hop"
)

const (
	// maxUpdates is how often Update tries.
	maxUpdates = 100
	// crowd is for how many attempts of others at the same time an Update makes room, if they take as long as its own.
	crowd = 64
)

// Update replaces the value of key by what change returns for the current entry, and returns the entry as written. If others
// change the entry in between, nothing of theirs is lost: Update reads it again and calls change again, up to 100 times,
// after random waits of up to 2 s. Change should therefore have no other effects.
//
// If the key does not exist, old is zero, with an empty ETag, and Update creates it. As with [Client.Set], the entry does
// not expire unless [TTL] or [KeepTTL] is given. A [Condition] has no effect.
//
// If change fails, nothing is written and Update returns its error. If others were faster every time, or until ctx ended,
// Update fails with [ErrETagMismatch], and has written nothing. If it fails with [ErrUnavailable], the write may or may not
// have been applied.
func (c *Client) Update(
	ctx context.Context, key string, change func(old Entry) ([]byte, error), opts ...WriteOption,
) (Entry, error) {
	var wait time.Duration // at most, before the next attempt
	for attempt := 1; ; attempt++ {
		began := time.Now()
		old, err := c.Get(ctx, key, AllowMissing())
		if err != nil {
			return Entry{}, err
		}
		value, err := change(old)
		if err != nil {
			return Entry{}, err
		}
		entry, _, err := c.Set(ctx, key, value, append(opts[:len(opts):len(opts)], unchanged(old))...)
		if !errors.Is(err, ErrETagMismatch) && !errors.Is(err, ErrExists) {
			return entry, err
		}
		took := max(time.Since(began), time.Millisecond)
		wait = min(max(2*wait, took), crowd*took, hop.MaxWait)
		if attempt < maxUpdates {
			hop.Pause(ctx, rand.N(wait))
		}
		if attempt == maxUpdates || ctx.Err() != nil {
			return Entry{}, tooContended(ctx, key, attempt)
		}
	}
}

// unchanged is the condition that an entry is still what was read.
func unchanged(old Entry) Condition {
	if old.ETag == "" {
		return IfAbsent()
	}
	return IfMatch(old.ETag)
}

// tooContended returns the error of an Update that gave up.
func tooContended(ctx context.Context, key string, attempts int) *Error {
	return &Error{
		Code: contract.ETagMismatch.Code(), Reason: string(contract.ETagMismatch), kind: ErrETagMismatch, cause: ctx.Err(),
		Message: fmt.Sprintf("others changed the key %q during each of %d attempts to update it", key, attempts),
	}
}
