package rest

import (
	"iter"
	"mime"
	"strconv"
	"strings"
)

// format is how an entry can be put into an answer.
type format uint8

// In the order in which they are chosen where the client does not care.
const (
	formatJSON  format = iota
	formatText         // the value alone, if it is text
	formatBytes        // the value alone
)

// mediaRange is one element of an Accept header.
type mediaRange struct {
	typ, subtype string
	charset      bool // whether it has a charset, which is UTF-8
	q            int  // the weight, in thousandths
}

// offer is the media type of a format.
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

// negotiate chooses the format that the lines of an Accept header like best (RFC 9110, section 12.5.1), for
// an entry that is text or not. Between equals, the one that is named more exactly wins.
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

// acceptable returns an error if lines exclude the one media type that there is.
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

// acceptsJSON reports whether JSON is the answer without a closer look, as it nearly always is.
func acceptsJSON(lines []string) bool {
	switch len(lines) {
	case 0:
		return true
	case 1:
		return lines[0] == "*/*" || lines[0] == "application/json" || strings.Trim(lines[0], " \t") == ""
	}
	return false
}

// weight returns the weight that the most specific of the ranges gives to o, and how specific it is.
// Weight 0 means not acceptable; the rank is then 0 too.
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

// rank says how exactly m names o: 0 not at all, up to 4 with its charset.
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

// parseAccept reads an Accept header. An element that is malformed, or that has a parameter which no answer
// here has, matches nothing and is left out.
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

// setParameters reports false if there is a parameter that no answer here has, or that is malformed.
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

// parseWeight reads a qvalue, which has three decimals at most, in thousandths.
func parseWeight(s string) (int, bool) {
	whole, decimals, _ := strings.Cut(s, ".")
	if len(whole) != 1 || len(decimals) > 3 {
		return 0, false
	}
	q, err := strconv.ParseUint(whole+(decimals + "000")[:3], 10, 16)
	return int(q), err == nil && q <= 1000
}

// listElements returns the elements of a comma-separated header that are not empty. A comma inside a quoted
// string separates nothing.
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

// endOf returns the index of the first separator that is not inside a quoted string, or len(s).
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
