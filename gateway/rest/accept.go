package rest

import (
	"iter"
	"mime"
	"strconv"
	"strings"
)

// format is the form of an entry in a response.
type format uint8

// The formats, in the order of preference if the caller has none.
const (
	formatJSON  format = iota
	formatText         // only the value, if it is text
	formatBytes        // only the value
)

// mediaRange is one element of an Accept header.
type mediaRange struct {
	typ, subtype string
	charset      bool // whether it has a charset, which can only be UTF-8
	q            int  // the weight, in thousandths
}

// offer is a media type that a response can have.
type offer struct{ typ, subtype string }

func offerOf(f format) offer {
	switch f {
	case formatText:
		return offer{"text", "plain"}
	case formatBytes:
		return offer{"application", "octet-stream"}
	default:
		return offer{"application", "json"}
	}
}

// negotiate returns the format that the lines of an Accept header prefer (RFC 9110, section 12.5.1) for an entry that
// is text or not. Of formats with the same weight, the one matched by the more specific range wins.
func negotiate(lines []string, text bool) (format, error) {
	if acceptsJSON(lines) {
		return formatJSON, nil
	}
	ranges := parseAccept(strings.Join(lines, ","))
	best, bestQ, bestRank := formatJSON, 0, 0
	for f := formatJSON; f <= formatBytes; f++ {
		if f == formatText && !text {
			continue
		}
		if q, rank := offerOf(f).weight(ranges); q > bestQ || q == bestQ && rank > bestRank {
			best, bestQ, bestRank = f, q, rank
		}
	}
	if bestQ == 0 {
		return 0, notAcceptableError(text)
	}
	return best, nil
}

func notAcceptableError(text bool) error {
	if text {
		return notAcceptable.Errorf("the value is available as application/json, text/plain or application/octet-stream")
	}
	return notAcceptable.Errorf("the value is not text; it is available as application/json or application/octet-stream")
}

// acceptable returns an error if the lines of an Accept header exclude o, the only media type available.
func acceptable(lines []string, o offer) error {
	header := strings.Join(lines, ",")
	if strings.Trim(header, " \t") == "" {
		return nil
	}
	if q, _ := o.weight(parseAccept(header)); q == 0 {
		return notAcceptable.Errorf("this resource is available as %s/%s", o.typ, o.subtype)
	}
	return nil
}

// acceptsJSON reports whether the lines of an Accept header clearly select JSON, as nearly always. If not, they must be
// parsed.
func acceptsJSON(lines []string) bool {
	switch len(lines) {
	case 0:
		return true
	case 1:
		return lines[0] == "*/*" || lines[0] == "application/json" || strings.Trim(lines[0], " \t") == ""
	}
	return false
}

// weight returns the weight that the most specific of the ranges gives to o, and the rank of that range. Weight 0 means
// not acceptable; the rank is then 0 too.
func (o offer) weight(ranges []mediaRange) (q, rank int) {
	for _, m := range ranges {
		if r := o.rank(m); r > rank || r == rank && r > 0 && m.q > q {
			q, rank = m.q, r
		}
	}
	if q == 0 {
		return 0, 0
	}
	return q, rank
}

// rank returns how specifically m matches o: from 0, no match, to 4, a match that includes the charset.
func (o offer) rank(m mediaRange) int {
	switch {
	case m.typ == "*":
		return 1
	case m.typ != o.typ:
		return 0
	case m.subtype == "*":
		return 2
	case m.subtype != o.subtype:
		return 0
	case m.charset:
		return 4
	}
	return 3
}

// parseAccept parses an Accept header. It omits elements that match no response: those that are malformed or have a
// parameter that no response has.
func parseAccept(header string) []mediaRange {
	var ranges []mediaRange
	for element := range listElements(header) {
		if m, ok := parseMediaRange(element); ok {
			ranges = append(ranges, m)
		}
	}
	return ranges
}

func parseMediaRange(s string) (mediaRange, bool) {
	name, params, err := mime.ParseMediaType(s)
	if err != nil {
		return mediaRange{}, false
	}
	typ, subtype, ok := strings.Cut(name, "/")
	if !ok || typ == "*" && subtype != "*" {
		return mediaRange{}, false
	}
	m := mediaRange{typ: typ, subtype: subtype, q: 1000}
	return m, m.setParameters(params)
}

// setParameters returns false if a parameter is malformed or one that no response has.
func (m *mediaRange) setParameters(params map[string]string) bool {
	for name, value := range params {
		ok := false
		switch name {
		case "q":
			m.q, ok = parseWeight(value)
		case "charset":
			m.charset = true
			ok = strings.EqualFold(value, "utf-8")
		}
		if !ok {
			return false
		}
	}
	return true
}

// parseWeight parses a qvalue, which has at most three decimals, and returns it in thousandths.
func parseWeight(s string) (int, bool) {
	whole, decimals, _ := strings.Cut(s, ".")
	if len(whole) != 1 || len(decimals) > 3 {
		return 0, false
	}
	q, err := strconv.ParseUint(whole+(decimals + "000")[:3], 10, 16)
	return int(q), err == nil && q <= 1000
}

// listElements returns the non-empty elements of a comma-separated header. Commas in quoted strings do not separate.
func listElements(header string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for header != "" {
			end := endOf(header, ',')
			if element := strings.Trim(header[:end], " \t"); element != "" && !yield(element) {
				return
			}
			header = header[min(end+1, len(header)):]
		}
	}
}

// endOf returns the index of the first separator outside quoted strings, or len(s).
func endOf(s string, separator byte) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == '\\' && quoted:
			i++
		case s[i] == separator && !quoted:
			return i
		}
	}
	return len(s)
}
