package contract

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// CheckKey returns an error with reason KEY_INVALID if key is not a valid key.
func CheckKey(key string) error {
	switch {
	case key == "":
		return KeyInvalid.Errorf("empty key: want 1 to %d bytes", MaxKeyBytes)
	case len(key) > MaxKeyBytes:
		return KeyInvalid.Errorf("key too long: %d bytes, want at most %d", len(key), MaxKeyBytes)
	case !utf8.ValidString(key):
		return KeyInvalid.Errorf("invalid key: want valid UTF-8")
	case strings.ContainsFunc(key, unicode.IsControl):
		return KeyInvalid.Errorf("invalid key: control character at byte %d", strings.IndexFunc(key, unicode.IsControl))
	case hasDotSegment(key):
		return KeyInvalid.Errorf(`invalid key: a path segment must not be "." or "..", because many clients rewrite those`)
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

// CheckPart returns an error with reason KEY_INVALID if no key can contain part, the field called name.
func CheckPart(name, part string) error {
	if len(part) > MaxKeyBytes {
		return KeyInvalid.Errorf("%s too long: %d bytes, want at most %d", name, len(part), MaxKeyBytes)
	}
	if !utf8.ValidString(part) || strings.ContainsFunc(part, unicode.IsControl) {
		return KeyInvalid.Errorf("invalid %s: want UTF-8 without control characters", name)
	}
	return nil
}
