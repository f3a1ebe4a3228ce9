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

// checkKey returns an error with reason KEY_INVALID if key is not a valid key.
func checkKey(key string) error {
	switch {
	case key == "":
		return contract.KeyInvalid.Errorf("empty key: want 1 to %d bytes", contract.MaxKeyBytes)
	case len(key) > contract.MaxKeyBytes:
		return contract.KeyInvalid.Errorf("key too long: %d bytes, want at most %d", len(key), contract.MaxKeyBytes)
	case !utf8.ValidString(key):
		return contract.KeyInvalid.Errorf("invalid key: want valid UTF-8")
	case strings.ContainsFunc(key, unicode.IsControl):
		return contract.KeyInvalid.Errorf("invalid key: control character at byte %d", strings.IndexFunc(key, unicode.IsControl))
	case hasDotSegment(key):
		return contract.KeyInvalid.Errorf(`invalid key: a path segment must not be "." or "..", because many clients rewrite those`)
	}
	return nil
}

// hasDotSegment reports whether one of the slash-separated segments of key is "." or "..".
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

// checkPrefix returns an error with reason KEY_INVALID if no key can begin with prefix.
func checkPrefix(prefix string) error { return checkPart("prefix", prefix) }

// checkRange returns an error with reason KEY_INVALID if prefix, start or end could not be part of a key, and with
// REQUEST_INVALID if start and end are the wrong way round. Then nothing would be found, which looks like an answer.
func checkRange(prefix, start, end string) error {
	if err := checkPrefix(prefix); err != nil {
		return err
	}
	if err := checkPart("start", start); err != nil {
		return err
	}
	if err := checkPart("end", end); err != nil {
		return err
	}
	if end != "" && start > end {
		return contract.RequestInvalid.Errorf(
			"start %.40q is after end %.40q: want start before end, also in reverse", start, end)
	}
	return nil
}

// checkPart returns an error with reason KEY_INVALID if no key can contain part, the field called name.
func checkPart(name, part string) error {
	if len(part) > contract.MaxKeyBytes {
		return contract.KeyInvalid.Errorf("%s too long: %d bytes, want at most %d", name, len(part), contract.MaxKeyBytes)
	}
	if !utf8.ValidString(part) || strings.ContainsFunc(part, unicode.IsControl) {
		return contract.KeyInvalid.Errorf("invalid %s: want UTF-8 without control characters", name)
	}
	return nil
}

// readTTL returns the TTL, or zero for an entry that never expires.
func readTTL(ttl *durationpb.Duration) (time.Duration, error) {
	if ttl == nil {
		return 0, nil
	}
	d := ttl.AsDuration() // saturates, so an overflow exceeds the maximum
	if ttl.CheckValid() != nil || d <= 0 || d > contract.MaxTTL {
		return 0, contract.TTLInvalid.Errorf("invalid TTL: want more than 0 and at most 10 years (%.0f hours), or no TTL for an entry that never expires",
			contract.MaxTTL.Hours())
	}
	return d, nil
}

// readPrecondition returns the precondition in p. An etag that this service never made is valid and never matches.
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
				"invalid precondition.etag %q: want an etag without quotes, as in a response message", kind.Etag)
		}
		version, _ := store.ParseVersion(kind.Etag)
		return store.IfVersion(version), nil
	}
	return store.Precondition{}, contract.RequestInvalid.Errorf("empty precondition: set etag or exists")
}
