package kvservice

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/durationpb"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
	"key-value/kvservice/store"
)

// checkKey returns an error with reason KEY_INVALID for anything that is not a key.
func checkKey(key string) error {
	switch {
	case key == "":
		return contract.KeyInvalid.Errorf("the key is empty; a key has 1 to %d bytes", contract.MaxKeyBytes)
	case len(key) > contract.MaxKeyBytes:
		return contract.KeyInvalid.Errorf("the key has %d bytes; a key has 1 to %d", len(key), contract.MaxKeyBytes)
	case !utf8.ValidString(key):
		return contract.KeyInvalid.Errorf("the key is not valid UTF-8")
	case strings.ContainsFunc(key, unicode.IsControl):
		return contract.KeyInvalid.Errorf("the key holds a control character, at byte %d", strings.IndexFunc(key, unicode.IsControl))
	case hasDotSegment(key):
		return contract.KeyInvalid.Errorf(`the key has a path segment "." or "..", which many clients rewrite`)
	}
	return nil
}

// hasDotSegment reports whether "." or ".." stands alone between slashes or at an end of key.
func hasDotSegment(key string) bool {
	if strings.IndexByte(key, '.') < 0 {
		return false
	}
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// checkPrefix accepts what some key could begin with, and the empty prefix.
func checkPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	if len(prefix) > contract.MaxKeyBytes {
		return contract.KeyInvalid.Errorf("the prefix has %d bytes; a key has at most %d", len(prefix), contract.MaxKeyBytes)
	}
	if !utf8.ValidString(prefix) || strings.ContainsFunc(prefix, unicode.IsControl) {
		return contract.KeyInvalid.Errorf("no key begins with this prefix: keys are UTF-8 without control characters")
	}
	return nil
}

// readTTL returns the TTL, and zero for an entry that never expires.
func readTTL(ttl *durationpb.Duration) (time.Duration, error) {
	if ttl == nil {
		return 0, nil
	}
	d := ttl.AsDuration() // saturates, so that what overflows is too long
	if ttl.CheckValid() != nil || d <= 0 || d > contract.MaxTTL {
		return 0, contract.TTLInvalid.Errorf("a TTL is more than 0 and at most 10 years (%.0f hours); leave it out for none",
			contract.MaxTTL.Hours())
	}
	return d, nil
}

// readPrecondition turns an etag that this service never made into one that never matches.
func readPrecondition(p *keyvaluev1.Precondition) (store.Precondition, error) {
	if p == nil {
		return store.Precondition{}, nil
	}
	switch kind := p.GetKind().(type) {
	case *keyvaluev1.Precondition_Exists:
		if kind.Exists {
			return store.IfExists(), nil
		}
		return store.IfAbsent(), nil
	case *keyvaluev1.Precondition_Etag:
		if kind.Etag == "" || strings.Contains(kind.Etag, `"`) {
			return store.Precondition{}, contract.RequestInvalid.Errorf(
				"precondition.etag takes an etag as a message carries it, without quotes, and not an empty one")
		}
		version, _ := store.ParseVersion(kind.Etag)
		return store.IfVersion(version), nil
	}
	return store.Precondition{}, contract.RequestInvalid.Errorf("the precondition is empty: set etag or exists")
}
