package auth

import (
	"context"
	"errors"
	"time"
)

// guessDelay is how long who has shown too many wrong keys waits for each further answer.
const guessDelay = 100 * time.Millisecond

// errGuessing is the cause of refusals for too many wrong keys.
var errGuessing = errors.New("too many wrong keys")

// Admit returns ctx on behalf of whose key h carries, or why not, as Authenticate does. Who guesses is kept waiting for
// the answer, and with it what comes behind on its connection: ten thousand guesses a second would take the time of others.
func (k *Keys) Admit(ctx context.Context, h Headers, peer string) (context.Context, error) {
	principal, err := k.Authenticate(h, peer)
	if err == nil {
		return NewContext(ctx, principal), nil
	}
	if errors.Is(err, errGuessing) {
		wait(ctx, guessDelay)
	}
	return nil, err
}

// wait returns after d, or when ctx is done.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
