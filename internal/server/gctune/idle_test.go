package gctune_test

import (
	"testing"

	"key-value/internal/server/gctune"
)

func TestMemoryIsReturnedWhenItIsSpareAndNotAboutToBeUsed(t *testing.T) {
	t.Parallel()
	const mib, gib = int64(1) << 20, int64(1) << 30
	for _, test := range []struct {
		name                        string
		held, other, needed, lately int64
		want                        bool
	}{
		{"after a start", 0, 10 * mib, 10 * mib, 0, false},
		{"after a little garbage", 0, 20 * mib, 10 * mib, 0, false},
		{"after a flood", 0, 100 * mib, 10 * mib, mib, true},
		{"during a flood", 0, 100 * mib, 10 * mib, 500 * mib, false},
		{"many connections need it", 0, 300 * mib, 290 * mib, 0, false},
		{"the entries were deleted", 0, 130 * mib, 10 * mib, mib, true},
		{"the entries were deleted, and calls go on", 0, 130 * mib, 10 * mib, 25 * mib, true},
		{"the entries were deleted, and many calls go on", 0, 130 * mib, 10 * mib, 40 * mib, false},
		{"a little was deleted from a large store", 10 * gib, gib, 10 * mib, 0, false},
		{"much was deleted from a large store", 8 * gib, 2 * gib, 10 * mib, 100 * mib, true},
	} {
		if got := gctune.Wasteful(test.held, test.other, test.needed, test.lately); got != test.want {
			t.Errorf("%s: memory is returned: %v, want %v", test.name, got, test.want)
		}
	}
}
