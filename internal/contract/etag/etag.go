// Package etag reads and writes entity tags as HTTP has them (RFC 9110, section 8.8.3).
package etag

import (
	"errors"
	"strings"
)

// Quote returns the strong entity tag whose opaque part is tag.
func Quote(tag string) string { return `"` + tag + `"` }

// Condition is what an If-Match or If-None-Match header lists. The zero value is that of a request without
// the header.
type Condition struct {
	any  bool
	tags []entityTag
}

type entityTag struct {
	opaque string
	weak   bool
}

var (
	errEmpty  = errors.New(`it is empty; it takes entity tags such as "2vxi4i7azeo1-3k", in double quotes, or *`)
	errQuotes = errors.New(`an entity tag stands in double quotes, as in "2vxi4i7azeo1-3k"`)
	errStar   = errors.New("* stands alone, not in a list")
	errComma  = errors.New("entity tags are separated by commas")
)

// Parse reads all lines of the header. A header that is there but malformed is an error.
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

// cut splits the first entity tag off s.
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

// Any reports whether the header is *, which matches whatever exists.
func (c Condition) Any() bool { return c.any }

// Single returns the one tag that c lists, if it lists one and that is strong.
func (c Condition) Single() (string, bool) {
	if len(c.tags) != 1 || c.tags[0].weak {
		return "", false
	}
	return c.tags[0].opaque, true
}

// MatchesStrongly reports whether c matches something that exists with the strong tag, as If-Match
// compares.
func (c Condition) MatchesStrongly(tag string) bool {
	return c.matches(tag, false)
}

// MatchesWeakly is MatchesStrongly as If-None-Match compares: a weak tag matches too.
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
