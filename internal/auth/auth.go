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
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"key-value/internal/follow"
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
	files      *follow.Files[set] // nil: none
	log        *slog.Logger
	failures   *failures // nil: not counted
	refused    atomic.Int64

	mu     sync.Mutex
	guards map[*guard]struct{} // calls that last; guarded by mu
}

// Single returns a set of one key with all rights. The secret must not be empty.
func Single(id, secret string) *Keys {
	if secret == "" {
		panic("apikey: an empty secret would let everyone in")
	}
	return &Keys{single: Internal(id), singleHash: HashOf(secret), guards: map[*guard]struct{}{}}
}

// New returns the keys of cfg. The id of its secret is "default".
func New(cfg Config) (*Keys, error) {
	k := &Keys{log: cfg.Log, failures: newFailures(cfg.FailuresPerSecond), guards: map[*guard]struct{}{}}
	if cfg.Secret != "" {
		k.single, k.singleHash = Internal("default"), HashOf(cfg.Secret)
	}
	if cfg.File == "" {
		return k, nil
	}
	if err := k.openFile(cfg.File); err != nil {
		return nil, fmt.Errorf("keys file: %w", err)
	}
	return k, nil
}

// Len returns how many keys there are, whether or not they are valid now.
func (k *Keys) Len() int {
	n := len(k.current().keys)
	if k.single != nil {
		n++
	}
	return n
}

// Refused returns how many requests showed no key, or one that was not valid.
func (k *Keys) Refused() int64 { return k.refused.Load() }

// FailedReloads returns how many changes of the keys file could not be used.
func (k *Keys) FailedReloads() int64 {
	if k.files == nil {
		return 0
	}
	return k.files.Failures()
}
