package client_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"key-value/client"
)

// keys returns the keys of a listing, and its error.
func keys(kv *client.Client, ctx context.Context, prefix string, opts ...client.ListOption) ([]string, error) {
	var all []string
	for entry, err := range kv.List(ctx, prefix, opts...) {
		if err != nil {
			return all, err
		}
		all = append(all, entry.Key)
	}
	return all, nil
}

func TestAListingGoesOverAllPages(t *testing.T) {
	kv := start(t)
	var want []string
	for i := range 25 {
		want = append(want, fmt.Sprintf("a/%02d", i))
		mustSet(t, kv, want[i], "x")
	}
	mustSet(t, kv, "b", "x")
	for _, size := range []int{0, 1, 7, 24, 25, 26, math.MaxInt64} {
		if got, err := keys(kv, t.Context(), "a/", client.PageSize(size)); err != nil || !slices.Equal(got, want) {
			t.Errorf("List by %d = %v, %v; want %v", size, got, err, want)
		}
	}
	if got, err := keys(kv, t.Context(), ""); err != nil || !slices.Equal(got, append(want, "b")) {
		t.Errorf("List of everything = %v, %v", got, err)
	}
	if got, err := keys(kv, t.Context(), "nope"); err != nil || len(got) != 0 {
		t.Errorf("List(nope) = %v, %v; want nothing", got, err)
	}
}

func TestAListingIsReadAgainFromItsStart(t *testing.T) {
	kv := start(t)
	for i := range 3 {
		mustSet(t, kv, fmt.Sprint(i), "x")
	}
	list := kv.List(t.Context(), "", client.PageSize(1))
	for range 2 {
		n := 0
		for _, err := range list {
			if n++; err != nil {
				t.Fatal(err)
			}
		}
		if n != 3 {
			t.Errorf("%d entries, want 3 each time", n)
		}
	}
}

func TestAListingHasValuesUnlessToldNot(t *testing.T) {
	kv := start(t)
	set := mustSet(t, kv, "a", "\xff")
	for entry, err := range kv.List(t.Context(), "") {
		if err != nil || string(entry.Value) != "\xff" || entry.ETag != set.ETag {
			t.Errorf("List = %+v, %v; want what was set", entry, err)
		}
	}
	for entry, err := range kv.List(t.Context(), "", client.KeysOnly()) {
		if err != nil || entry.Value != nil || entry.ETag != set.ETag {
			t.Errorf("List of keys = %+v, %v; want no value", entry, err)
		}
	}
}

func TestAListingEndsWithItsError(t *testing.T) {
	kv := start(t)
	_, err := keys(kv, t.Context(), strings.Repeat("x", 2000))
	wantError(t, "List of a prefix that no key has", err, client.ErrInvalid)
	_, err = keys(kv, t.Context(), "", client.PageSize(math.MinInt64))
	wantError(t, "List by pages of less than nothing", err, client.ErrInvalid)

	mustSet(t, kv, "a", "x")
	mustSet(t, kv, "b", "x")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got []string
	for entry, err := range kv.List(ctx, "", client.PageSize(1)) {
		if err != nil {
			wantError(t, "List", err, context.Canceled)
			break
		}
		got = append(got, entry.Key)
		cancel()
	}
	if !slices.Equal(got, []string{"a"}) {
		t.Errorf("List = %v before its context was done, want [a]", got)
	}
}
