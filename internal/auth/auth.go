// Package auth authenticates the callers of a server and authorizes their calls.
//
// A caller sends an API key in the header x-api-key, or as Authorization: Bearer. For one watch over REST, a ticket that
// was made with a key will do. A server has one key with all rights,
// a file of many keys with rights of their own, or both. The file holds only hashes of keys, and is read again when it
// changes.
//
// [Keys.Authenticate], or [Keys.AuthenticateTicket], runs before a request is read. All invalid keys get the same answer,
// after the same work. [Authorize] runs when a gateway calls its service: it refuses calls that the caller's key does not
// allow, whichever way they came in.
package auth

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"key-value/internal/follow"
)

// Header is the name of the header that carries a key.
const Header = "X-Api-Key"

// Config says which keys are valid. At least one of Secret and File must be set.
type Config struct {
	// Secret is a key with all rights. Empty: only keys of File are valid.
	Secret string
	// File is the path of a keys file. Empty: only Secret is valid.
	File string
	// FailuresPerSecond is how many invalid keys an address may send each second before it must wait. Ten seconds' worth
	// may come at once. Zero: no limit.
	FailuresPerSecond int
	// Log receives reloads of File and their failures. It must be set if File is.
	Log *slog.Logger
}

// Keys are the valid keys of a server.
type Keys struct {
	single     *Principal // of the key with all rights; nil: none
	singleHash Hash
	files      *follow.Files[set] // nil: there is no keys file
	log        *slog.Logger
	failures   *failures // nil: not limited
	refused    atomic.Int64

	mu      sync.Mutex
	streams map[*grantedStream]struct{} // open streams, which end if their key loses the right to them; guarded by mu
}

// Single returns one key with all rights. Secret must not be empty.
func Single(id, secret string) *Keys {
	if secret == "" {
		panic("auth: empty secret")
	}
	k := &Keys{streams: map[*grantedStream]struct{}{}}
	k.setSingle(id, secret)
	return k
}

// New returns the keys of cfg. The id of the key that is cfg.Secret is "default".
func New(cfg Config) (*Keys, error) {
	k := &Keys{log: cfg.Log, failures: newFailures(cfg.FailuresPerSecond), streams: map[*grantedStream]struct{}{}}
	if cfg.Secret != "" {
		k.setSingle("default", cfg.Secret)
	}
	if cfg.File == "" {
		return k, nil
	}
	if err := k.openFile(cfg.File); err != nil {
		return nil, fmt.Errorf("keys file: %w", err)
	}
	return k, nil
}

func (k *Keys) setSingle(id, secret string) {
	k.single, k.singleHash = Internal(id), HashOf(secret)
	k.single.stretched = sync.OnceValue(func() Hash { return stretch(k.singleHash) })
}

// Len returns the number of keys, including those that are revoked, expired or not yet valid.
func (k *Keys) Len() int {
	n := len(k.current().keys)
	if k.single != nil {
		n++
	}
	return n
}

// Sole reports whether there is at most one key.
func (k *Keys) Sole() bool { return k.Len() <= 1 }

// Refused returns the number of requests without a valid key.
func (k *Keys) Refused() int64 { return k.refused.Load() }

// FailedReloads returns the number of changes of the keys file that could not be used.
func (k *Keys) FailedReloads() int64 {
	if k.files == nil {
		return 0
	}
	return k.files.Failures()
}
