// Package auth says who is calling, and what they may do.
//
// A caller shows its key as the header x-api-key or as Authorization: Bearer. Keys are compared by their
// SHA-256, in constant time, and every failure has the same answer. Many keys, each with its rights, are in a
// file of their hashes, which is read again when it changes.
//
// [Keys.Authenticate] is the first door: it lets a request in. [Authorize] is the second: it lets no call out to the
// service that the caller may not make, whichever way the caller came.
package auth

import (
	"crypto/subtle"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"key-value/internal/contract"
)

// Header is the name of the header that carries a key.
const Header = "X-Api-Key"

// Config says which keys there are. At least one of Secret and File must be set.
type Config struct {
	// Secret is a key with all rights. Empty: there is none beside those of File.
	Secret string
	// File is the path of a keys file. Empty: there is none.
	File string
	// FailuresPerSecond is how many wrong keys each address may show in a second, with ten times as many at once.
	// Zero: any number.
	FailuresPerSecond int
	// Log is told when File was read again, or could not be. It must be set if File is.
	Log *slog.Logger
}

// Keys are the keys that open a door.
type Keys struct {
	single     *Principal // nil: none
	singleHash Hash
	file       string // empty: none
	log        *slog.Logger
	failures   *failures // nil: not counted
	set        atomic.Pointer[set]

	refused       atomic.Int64
	failedReloads atomic.Int64

	read fileState // what the set was made of; of the goroutine that follows the file

	mu     sync.Mutex
	guards map[*guard]struct{} // calls that last; guarded by mu
}

// Single returns a set of one key with all rights. The secret must not be empty.
func Single(id, secret string) *Keys {
	if secret == "" {
		panic("apikey: an empty secret would let everyone in")
	}
	k := &Keys{single: Internal(id), singleHash: HashOf(secret), guards: map[*guard]struct{}{}}
	k.set.Store(newSet(k, &File{}, nil))
	return k
}

// New returns the keys of cfg. The id of its secret is "default".
func New(cfg Config) (*Keys, error) {
	k := &Keys{file: cfg.File, log: cfg.Log, failures: newFailures(cfg.FailuresPerSecond), guards: map[*guard]struct{}{}}
	if cfg.Secret != "" {
		k.single, k.singleHash = Internal("default"), HashOf(cfg.Secret)
	}
	k.set.Store(newSet(k, &File{}, nil))
	if cfg.File == "" {
		return k, nil
	}
	if err := k.load(); err != nil {
		return nil, fmt.Errorf("keys file: %w", err)
	}
	return k, nil
}

// Headers are the headers of a request, as of net/http or of an RPC.
type Headers interface {
	Values(name string) []string
}

// Authenticate returns whose key h carries, which came from peer, an address with a port. If it carries none, more than
// one, or one that is not valid, the error has reason API_KEY_INVALID. It has RATE_LIMITED if the key was used too often,
// or if peer has shown too many that are not valid.
func (k *Keys) Authenticate(h Headers, peer string) (*Principal, error) {
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
	if p.rate != nil {
		if wait, ok := p.rate.take(now); !ok {
			return nil, contract.RateLimited.RetryAfter(wait, "the API key %q may make %g requests a second", p.ID, p.rate.perSecond)
		}
	}
	return p, nil
}

// find returns whose key secret is, or nil. It does the same work for every secret of the same length and form.
func (k *Keys) find(secret string, now time.Time) *Principal {
	hash := HashOf(secret)
	id, made := idOf(secret)
	p := k.set.Load().find(id, hash, now)
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

// Len returns how many keys there are, whether or not they are valid now.
func (k *Keys) Len() int {
	n := len(k.set.Load().keys)
	if k.single != nil {
		n++
	}
	return n
}

// Refused returns how many requests showed no key, or one that was not valid.
func (k *Keys) Refused() int64 { return k.refused.Load() }

// FailedReloads returns how often the keys file could not be read again.
func (k *Keys) FailedReloads() int64 { return k.failedReloads.Load() }
