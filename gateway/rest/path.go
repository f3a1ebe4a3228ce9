package rest

import (
	"net/url"
	"unicode/utf8"

	"key-value/internal/contract"
)

// decodeKey returns the key that an escaped path names behind keyPrefix. Percent-encoding is undone
// exactly once and nothing else is changed: no slash is merged, no segment is resolved. All other rules
// for keys are the service's.
func decodeKey(escaped string) (string, error) {
	key, err := url.PathUnescape(escaped)
	if err != nil {
		return "", contract.KeyInvalid.Errorf("the key is not percent-encoded as it must be: %v", err)
	}
	if !utf8.ValidString(key) {
		return "", contract.KeyInvalid.Errorf("the key is not UTF-8: %q", key)
	}
	return key, nil
}

// keyPath returns the path of a key's own route. decodeKey undoes it.
func keyPath(key string) string {
	return keyPrefix + (&url.URL{Path: key}).EscapedPath()
}
