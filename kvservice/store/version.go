package store

import (
	"strconv"
	"strings"
)

// Version names one version of one entry.
//
// Revision counts writes. Epoch is drawn at random whenever the counter may have gone back, as after a
// restart, so that a version from before never equals one from after.
type Version struct {
	Epoch    uint64
	Revision uint64
}

// String returns v as an etag, without quotes: two numbers in base 36, such as "2vxi4i7azeo1-3k".
func (v Version) String() string {
	var buf [2*13 + 1]byte
	b := strconv.AppendUint(buf[:0], v.Epoch, 36)
	b = append(b, '-')
	return string(strconv.AppendUint(b, v.Revision, 36))
}

// ParseVersion reads what String wrote. It reports false for anything else, which therefore names no
// version that ever was.
func ParseVersion(s string) (Version, bool) {
	epoch, revision, ok := strings.Cut(s, "-")
	if !ok {
		return Version{}, false
	}
	e, errE := strconv.ParseUint(epoch, 36, 64)
	r, errR := strconv.ParseUint(revision, 36, 64)
	v := Version{Epoch: e, Revision: r}
	return v, errE == nil && errR == nil && v.String() == s
}
