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
	charset      bool    // whether it has a charset, which can only be UTF-8
	q            float64 // the weight, from 0, not acceptable, to 1
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
	ranges := parseAccept(lines)
	best, bestQ, bestRank := formatJSON, 0.0, 0
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
	if len(lines) == 0 {
		return nil
	}
	if q, _ := o.weight(parseAccept(lines)); q == 0 {
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
func (o offer) weight(ranges []mediaRange) (q float64, rank int) {
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

// anything is the range that every offer matches.
var anything = mediaRange{typ: "*", subtype: "*", q: 1}

// parseAccept parses the lines of an Accept header. It reads elements leniently, because what a caller accepts is rarely
// written by hand: Java up to 17.0.11 sends "*; q=.2". It skips elements that it cannot read, and a header without any
// other accepts everything, as no header does. It omits elements with a parameter that no response has.
func parseAccept(lines []string) []mediaRange {
	var ranges []mediaRange
	readable := false
	for element := range listElements(strings.Join(lines, ",")) {
		name, params, err := mime.ParseMediaType(element)
		if err != nil {
			continue
		}
		m, ok := parseMediaRange(name, params)
		if !ok {
			continue
		}
		readable = true
		if matchesResponses(params) {
			ranges = append(ranges, m)
		}
	}
	if !readable {
		return []mediaRange{anything}
	}
	return ranges
}

// parseMediaRange returns the range with this name and these parameters, or false if it cannot be read.
func parseMediaRange(name string, params map[string]string) (mediaRange, bool) {
	m := anything
	if name != "*" {
		var ok bool
		m.typ, m.subtype, ok = strings.Cut(name, "/")
		if !ok || m.typ == "*" && m.subtype != "*" {
			return mediaRange{}, false
		}
	}
	if weight, ok := params["q"]; ok {
		q, err := strconv.ParseFloat(weight, 64)
		if err != nil || !(q >= 0 && q <= 1) {
			return mediaRange{}, false
		}
		m.q = q
	}
	_, m.charset = params["charset"]
	return m, true
}

// matchesResponses reports whether responses can have these parameters of a media range: only UTF-8 as their charset.
func matchesResponses(params map[string]string) bool {
	for name, value := range params {
		if name != "q" && !(name == "charset" && strings.EqualFold(value, "utf-8")) {
			return false
		}
	}
	return true
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
