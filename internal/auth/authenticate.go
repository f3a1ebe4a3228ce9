package auth

import (
	"crypto/subtle"
	"errors"
	"strings"
	"time"

	"key-value/internal/contract"
)

// guessDelay is how long an address that sent too many invalid keys is delayed for each further one.
const guessDelay = 100 * time.Millisecond

// errGuessing is the cause of refusals for too many invalid keys.
var errGuessing = errors.New("too many invalid keys")

// Headers are the headers of a request, such as [net/http.Header].
type Headers interface {
	Values(name string) []string
}

// Delay returns how long a caller should be delayed whom Authenticate refused with err. Answering ten thousand guesses a
// second would take the processor from other callers.
func Delay(err error) time.Duration {
	if errors.Is(err, errGuessing) {
		return guessDelay
	}
	return 0
}

// Authenticate authenticates the caller from h and returns its principal. Peer is the caller's address, as host:port or
// without a port. The error has reason API_KEY_INVALID if h has no key, more than one, or one that is not valid, and
// RATE_LIMITED if peer has sent too many that are not valid.
//
// It does not wait. The caller of an address that has sent too many should be delayed by [Delay].
func (k *Keys) Authenticate(h Headers, peer string) (*Principal, error) {
	secret, ok := secretOf(h)
	now := time.Now()
	p := k.find(secret, now)
	if p == nil || !ok {
		return nil, k.refuse(now, peer, errInvalid)
	}
	// A key chosen by a person can be guessed, so an address that guesses must not learn that it succeeded. A key of the
	// file is random and cannot be guessed, so other callers behind the same address can go on.
	if p == k.single {
		if wait := k.failures.blocked(now, peer); wait > 0 {
			return nil, tooManyFailures(wait)
		}
	}
	return p, nil
}

// find returns the principal whose key is secret, or nil. All secrets of the same length and form take the same time.
func (k *Keys) find(secret string, now time.Time) *Principal {
	hash := HashOf(secret)
	id, wellFormed := idOf(secret)
	p := k.current().find(id, hash, now)
	switch {
	case subtle.ConstantTimeCompare(hash[:], k.singleHash[:]) == 1:
		return k.single // without a single key singleHash is zero, which is the hash of nothing
	case wellFormed:
		return p
	}
	return nil
}

// refuse counts an invalid key or ticket and returns the error for it, which is err while peer has not sent too many.
func (k *Keys) refuse(now time.Time, peer string, err error) error {
	k.refused.Add(1)
	if wait := k.failures.add(now, peer); wait > 0 {
		return tooManyFailures(wait)
	}
	return err
}

// These errors are made once, so that refusing a key costs no more than sending one.
var (
	// errInvalid is the one answer to all keys that are not valid.
	errInvalid error = contract.APIKeyInvalid.Errorf("a valid API key is required: send it as x-api-key or as Authorization: Bearer")
	// errTooMany is the answer to an address that must wait for at most a second.
	errTooMany = tooMany(time.Second)
)

func tooManyFailures(wait time.Duration) error {
	if wait <= time.Second {
		return errTooMany
	}
	return tooMany(wait)
}

func tooMany(wait time.Duration) error {
	return contract.RateLimited.RetryAfter(wait, "too many invalid API keys from this address").WithCause(errGuessing)
}

// secretOf returns the key in h. X-Api-Key takes precedence, because Authorization may be for a proxy on the way.
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
