// Package keyrange computes with ranges of keys in byte order.
package keyrange

// Range is the keys from Start up to but not including End. An empty End means that there is no upper bound, so the
// zero value is every key.
type Range struct{ Start, End string }

// Of returns the keys that begin with prefix, from start up to but not including end. Empty arguments restrict nothing.
func Of(prefix, start, end string) Range {
	r := Range{Start: prefix, End: After(prefix)}.From(start)
	if end != "" {
		r = r.Before(end)
	}
	return r
}

// After returns the first string after all those that begin with prefix, or "" if there is none.
func After(prefix string) string {
	last := len(prefix) - 1
	for last >= 0 && prefix[last] == 0xff {
		last--
	}
	if last < 0 {
		return ""
	}
	return prefix[:last] + string([]byte{prefix[last] + 1})
}

// Next returns the first string after s.
func Next(s string) string { return s + "\x00" }

// From returns the part of r from start on.
func (r Range) From(start string) Range { return Range{max(r.Start, start), r.End} }

// Before returns the part of r before end, which is not empty.
func (r Range) Before(end string) Range {
	if r.End == "" || end < r.End {
		r.End = end
	}
	return r
}

// Empty reports whether no key can be in r.
func (r Range) Empty() bool { return r.End != "" && r.Start >= r.End }

// Has reports whether key is in r.
func (r Range) Has(key string) bool { return key >= r.Start && (r.End == "" || key < r.End) }

// Contains reports whether every key of other is in r.
func (r Range) Contains(other Range) bool {
	return other.Start >= r.Start && (r.End == "" || other.End != "" && other.End <= r.End)
}

// Overlaps reports whether r and other have keys in common.
func (r Range) Overlaps(other Range) bool {
	return !r.Empty() && !other.Empty() &&
		(r.End == "" || other.Start < r.End) && (other.End == "" || r.Start < other.End)
}
