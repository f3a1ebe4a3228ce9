package tree

import (
	"fmt"
	"slices"
	"testing"
)

func TestAllocatedMatchesTheAllocator(t *testing.T) {
	for _, n := range []int{1, 8, 9, 31, 112, 113, 600, 1024, 1025, 5000, 32_768, 32_769, 100_000} {
		if got, want := allocated(n), int64(cap(append([]byte(nil), make([]byte, n)...))); got != want {
			t.Errorf("allocated(%d) = %d, want %d", n, got, want)
		}
	}
}

func TestLaterVersionOfAKeyInTwoSlotsCounts(t *testing.T) {
	l := &leaf{}
	for i, key := range []string{"b", "a", "b", "c", "a"} {
		l.add(Pack(Head{Revision: uint64(i + 1)}, key, nil), 0)
	}
	var got []string
	for _, e := range l.sorted("", "", nil) {
		got = append(got, fmt.Sprint(e.Key(), e.Revision))
	}
	if !slices.Equal(got, []string{"a5", "b3", "c4"}) {
		t.Fatalf("sorted returned %q", got)
	}
}
