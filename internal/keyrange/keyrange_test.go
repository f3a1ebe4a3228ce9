package keyrange_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"key-value/internal/keyrange"
)

// Every question about ranges has the answer that trying short strings gives.
func TestRangesAgreeWithTheirKeys(t *testing.T) {
	t.Parallel()
	all := []string{""}
	for begin := 0; len(all) < 400; begin++ {
		for _, c := range []string{"\x00", "a", "b", "\xff"} {
			all = append(all, all[begin]+c)
		}
	}
	short := rapid.SampledFrom(all[:80])
	rapid.Check(t, func(t *rapid.T) {
		prefix, start, end := short.Draw(t, "prefix"), short.Draw(t, "start"), short.Draw(t, "end")
		r := keyrange.Of(prefix, start, end)
		other := keyrange.Of(short.Draw(t, "other prefix"), short.Draw(t, "other start"), short.Draw(t, "other end"))
		contains, overlaps := true, false
		for _, key := range all {
			want := strings.HasPrefix(key, prefix) && key >= start && (end == "" || key < end)
			if got := r.Has(key); got != want {
				t.Fatalf("Of(%q, %q, %q).Has(%q) = %t, want %t", prefix, start, end, key, got, want)
			}
			if want && r.Empty() {
				t.Fatalf("%q is empty and has %q", r, key)
			}
			contains = contains && (r.Has(key) || !other.Has(key))
			overlaps = overlaps || r.Has(key) && other.Has(key)
		}
		if r.Contains(other) && !contains {
			t.Fatalf("%q contains %q, which has other keys", r, other)
		}
		if overlaps && !r.Overlaps(other) || r.Overlaps(other) != other.Overlaps(r) {
			t.Fatalf("%q and %q overlap %t, want %t", r, other, r.Overlaps(other), overlaps)
		}
	})
}
