package auth

import (
	"context"
	"crypto/subtle"
	"errors"
	"strings"
	"time"

	"key-value/internal/contract"
)

// guessDelay is how long who has shown too many wrong keys waits for each further answer.
const guessDelay = 100 * time.Millisecond

// errGuessing is the cause of refusals for too many wrong keys.
var errGuessing = errors.New("too many wrong keys")

// Authenticate authenticates the caller from h and returns ctx with its principal. Peer is the caller's address, as
// host:port. The error has reason API_KEY_INVALID if h has no key, more than one, or one that is not valid, and
// RATE_LIMITED if peer has sent too many that are not valid.
//
// An address that guesses waits for each answer, and so does everything after it on its connection. Answering ten
// thousand guesses a second would take the processor from others.
func (k *Keys) Authenticate(ctx context.Context, h Headers, peer string) (context.Context, error) {
	principal, err := k.identify(h, peer)
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

// Headers are the headers of a request, as of net/http or of an RPC.
type Headers interface {
	Values(name string) []string
}

// identify returns the principal whose key is in h.
func (k *Keys) identify(h Headers, peer string) (*Principal, error) {
	secret, ok := secretOf(h)
	now := time.Now()
	p := k.find(secret, now)
	if p == nil || !ok {
		return nil, k.refuse(now, peer)
	}
	// A key that was chosen by a person can be guessed, so who guesses does not learn from the answer that it was found.
	// A key of the file cannot, so others behind the same address can go on.
	if p == k.single {
		if wait := k.failures.blocked(now, peer); wait > 0 {
			return nil, tooManyFailures(wait)
		}
	}
	return p, nil
}

// find returns whose key secret is, or nil. It does the same work for every secret of the same length and form.
func (k *Keys) find(secret string, now time.Time) *Principal {
	hash := HashOf(secret)
	id, made := idOf(secret)
	p := k.current().find(id, hash, now)
	switch {
	case subtle.ConstantTimeCompare(hash[:], k.singleHash[:]) == 1:
		return k.single // nil if there is none: then nothing hashes to singleHash, which is zero
	case made:
		return p
	}
	return nil
}

func (k *Keys) refuse(now time.Time, peer string) error {
	k.refused.Add(1)
	if wait := k.failures.add(now, peer); wait > 0 {
		return tooManyFailures(wait)
	}
	return errNotValid
}

// What wrong keys are answered is made once: it should not cost more to refuse a key than to show one.
var (
	// errNotValid is the one answer to all keys that do not open.
	errNotValid error = contract.APIKeyInvalid.Errorf("a valid API key is required: send it as x-api-key or as Authorization: Bearer")
	// errTooMany is for who need not wait for longer than a second.
	errTooMany = tooMany(time.Second)
)

func tooManyFailures(wait time.Duration) error {
	if wait <= time.Second {
		return errTooMany
	}
	return tooMany(wait)
}

func tooMany(wait time.Duration) error {
	return contract.RateLimited.RetryAfter(wait, "too many API keys that are not valid came from this address").WithCause(errGuessing)
}

// secretOf prefers x-api-key, so that an Authorization meant for a proxy on the way does no harm.
func secretOf(h Headers) (string, bool) {
	if keys := h.Values(Header); len(keys) != 0 {
		return keys[0], len(keys) == 1
	}
	auth := h.Values("Authorization")
	if len(auth) != 1 {
		return "", false
	}
	scheme, secret, ok := strings.Cut(auth[0], " ")
	return secret, ok && strings.EqualFold(scheme, "Bearer")
}
