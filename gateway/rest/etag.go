package rest

import (
	"strings"

	"key-value/internal/reason"
)

// etag is an entity tag as it stands in a header (RFC 9110, section 8.8.3).
type etag struct {
	opaque string // what is between the quotes
	weak   bool
}

// etagList is what If-Match or If-None-Match says. The zero value is a header that is absent.
type etagList struct {
	any  bool // "*"
	tags []etag
}

func (l etagList) present() bool { return l.any || len(l.tags) > 0 }

// parseETags reads the lines of an If-Match or If-None-Match header called name. What is not of that form
// is an error and never ignored, because then a write would happen that was not meant to.
func parseETags(name string, lines []string) (etagList, error) {
	if len(lines) == 0 {
		return etagList{}, nil
	}
	header := strings.Trim(strings.Join(lines, ", "), " \t")
	if header == "*" {
		return etagList{any: true}, nil
	}
	tags, ok := cutETags(header)
	if !ok {
		return etagList{}, reason.RequestInvalid.Errorf(
			`%s: %s is neither * nor a list of etags, each in double quotes such as "3k-1"`, name, header)
	}
	return etagList{tags: tags}, nil
}

// cutETags reads a list of at least one etag. Empty elements are allowed and mean nothing.
func cutETags(s string) (tags []etag, ok bool) {
	for s = strings.TrimLeft(s, ", \t"); s != ""; s = strings.TrimLeft(s, ", \t") {
		var tag etag
		if tag, s, ok = cutETag(s); !ok {
			return nil, false
		}
		tags = append(tags, tag)
		if s = strings.TrimLeft(s, " \t"); s != "" && s[0] != ',' {
			return nil, false
		}
	}
	return tags, len(tags) > 0
}

// cutETag reads the etag that s begins with and returns what is behind it.
func cutETag(s string) (tag etag, rest string, ok bool) {
	s, tag.weak = strings.CutPrefix(s, "W/")
	s, ok = strings.CutPrefix(s, `"`)
	if !ok {
		return etag{}, "", false
	}
	tag.opaque, rest, ok = strings.Cut(s, `"`)
	return tag, rest, ok && strings.IndexFunc(tag.opaque, notInETag) < 0
}

// notInETag reports whether r is a space or a control character; the bytes above ASCII may stand in an etag.
func notInETag(r rune) bool { return r <= ' ' || r == 0x7f }

// The etag of a representation is the entry's own in JSON, and has a suffix otherwise: a cache that holds
// one representation and asks for another must not be told that what it holds is still good (RFC 9110,
// section 8.8.1). No etag of the service has a dot in it.
const (
	textSuffix  = ".text"
	bytesSuffix = ".bytes"
)

// tag returns the etag, without quotes, of an entry in format f.
func (f format) tag(version string) string {
	switch f {
	case formatText:
		return version + textSuffix
	case formatBytes:
		return version + bytesSuffix
	default:
		return version
	}
}

// version returns the entry's etag, whichever representation t was sent with.
func (t etag) version() string {
	return strings.TrimSuffix(strings.TrimSuffix(t.opaque, textSuffix), bytesSuffix)
}
