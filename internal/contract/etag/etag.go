// Package etag parses and formats entity tags in HTTP headers (RFC 9110, section 8.8.3).
package etag

import (
	"errors"
	"strings"
)

// Quote returns tag in double quotes, as a strong entity tag.
func Quote(tag string) string { return `"` + tag + `"` }

// Condition is the parsed value of an If-Match or If-None-Match header. The zero value means that the request does not
// have the header.
type Condition struct {
	any  bool
	tags []entityTag
}

type entityTag struct {
	opaque string
	weak   bool
}

var (
	errEmpty  = errors.New(`empty header: want entity tags in double quotes, such as "2vxi4i7azeo1-3k", or *`)
	errQuotes = errors.New(`invalid entity tag: want double quotes, as in "2vxi4i7azeo1-3k"`)
	errStar   = errors.New("* must be the only element, not part of a list")
	errComma  = errors.New("entity tags must be separated by commas")
)

// Parse parses all values of the header. It fails if the header is present but malformed.
func Parse(lines []string) (Condition, error) {
	if len(lines) == 0 {
		return Condition{}, nil
	}
	rest := strings.Trim(strings.Join(lines, ","), " \t")
	if rest == "*" {
		return Condition{any: true}, nil
	}
	var c Condition
	for {
		// RFC 9110, section 5.6.1.2: a recipient ignores empty list elements.
		rest = strings.TrimLeft(rest, " \t,")
		if rest == "" {
			break
		}
		tag, after, err := cut(rest)
		if err != nil {
			return Condition{}, err
		}
		c.tags = append(c.tags, tag)
		rest = strings.TrimLeft(after, " \t")
		if rest != "" && rest[0] != ',' {
			return Condition{}, errComma
		}
	}
	if len(c.tags) == 0 {
		return Condition{}, errEmpty
	}
	return c, nil
}

// cut returns the first entity tag of s and the rest of s.
func cut(s string) (entityTag, string, error) {
	if s[0] == '*' {
		return entityTag{}, "", errStar
	}
	opaque, weak := strings.CutPrefix(s, "W/")
	opaque, quoted := strings.CutPrefix(opaque, `"`)
	opaque, rest, closed := strings.Cut(opaque, `"`)
	if !quoted || !closed || strings.ContainsFunc(opaque, notInTag) {
		return entityTag{}, "", errQuotes
	}
	return entityTag{opaque: opaque, weak: weak}, rest, nil
}

func notInTag(r rune) bool { return r <= ' ' || r == 0x7f }

// Present reports whether the request has the header.
func (c Condition) Present() bool { return c.any || c.tags != nil }

// Any reports whether the header is *, which matches any existing version.
func (c Condition) Any() bool { return c.any }

// Single returns the tag in c if it is the only one and strong.
func (c Condition) Single() (string, bool) {
	if len(c.tags) != 1 || c.tags[0].weak {
		return "", false
	}
	return c.tags[0].opaque, true
}

// MatchesStrongly reports whether c matches an entry with this strong tag by the strong comparison that If-Match uses.
func (c Condition) MatchesStrongly(tag string) bool {
	return c.matches(tag, false)
}

// MatchesWeakly is like MatchesStrongly with the weak comparison that If-None-Match uses: a weak tag matches too.
func (c Condition) MatchesWeakly(tag string) bool {
	return c.matches(tag, true)
}

func (c Condition) matches(tag string, weakly bool) bool {
	for _, t := range c.tags {
		if t.opaque == tag && (weakly || !t.weak) {
			return true
		}
	}
	return c.any
}
