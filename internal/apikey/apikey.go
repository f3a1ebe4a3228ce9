// Package apikey says who is calling.
//
// A caller shows its key as the header x-api-key or as Authorization: Bearer. Keys are compared by their
// SHA-256, in constant time, and every failure has the same answer.
package apikey

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"strings"

	"key-value/internal/reason"
)

// Header is the name of the header that carries a key.
const Header = "X-Api-Key"

// Principal is who a key belongs to.
type Principal struct {
	ID string // names the key in logs; never the key itself
}

// Keys are the keys that open a door.
type Keys struct {
	id   string
	hash [sha256.Size]byte
}

// Single returns a set of one key with all rights. The secret must not be empty.
func Single(id, secret string) *Keys {
	if secret == "" {
		panic("apikey: an empty secret would let everyone in")
	}
	return &Keys{id: id, hash: sha256.Sum256([]byte(secret))}
}

// Generate returns a new secret with 128 bits of entropy or more.
func Generate() string { return "kv_" + strings.ToLower(rand.Text()) }

// Headers are the headers of a request, as of net/http or of an RPC.
type Headers interface {
	Values(name string) []string
}

// Authenticate returns whose key h carries. If it carries none, more than one, or one that is not in k,
// the error has reason API_KEY_INVALID.
func (k *Keys) Authenticate(h Headers) (Principal, error) {
	secret, ok := secretOf(h)
	hash := sha256.Sum256([]byte(secret))
	if subtle.ConstantTimeCompare(hash[:], k.hash[:]) != 1 || !ok {
		return Principal{}, reason.APIKeyInvalid.Errorf(
			"a valid API key is required: send it as x-api-key or as Authorization: Bearer")
	}
	return Principal{ID: k.id}, nil
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

type contextKey struct{}

// NewContext returns ctx with p in it.
func NewContext(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// FromContext returns who is calling, or false if nobody was authenticated.
func FromContext(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(contextKey{}).(Principal)
	return p, ok
}
