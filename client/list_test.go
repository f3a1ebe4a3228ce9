package client_test

import (
	"context"
	"errors"
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

func TestAListingCoversAllPages(t *testing.T) {
	t.Parallel()
	kv := start(t)
	var want []string
	for i := range 25 {
		want = append(want, fmt.Sprintf("a/%02d", i))
		mustSet(t, kv, want[i], "x")
	}
	mustSet(t, kv, "b", "x")
	for _, size := range []int{0, 1, 7, 24, 25, 26, math.MaxInt64} {
		if got, err := keys(kv, t.Context(), "a/", client.PageSize(size)); err != nil || !slices.Equal(got, want) {
			t.Errorf("List with page size %d = %v, %v; want %v", size, got, err, want)
		}
	}
	if got, err := keys(kv, t.Context(), ""); err != nil || !slices.Equal(got, append(want, "b")) {
		t.Errorf("List of everything = %v, %v", got, err)
	}
	if got, err := keys(kv, t.Context(), "nope"); err != nil || len(got) != 0 {
		t.Errorf("List(nope) = %v, %v; want nothing", got, err)
	}
}

func TestAListingCanBeIteratedTwice(t *testing.T) {
	t.Parallel()
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

func TestAListingHasValuesUnlessKeysOnly(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
	kv := start(t)
	_, err := keys(kv, t.Context(), strings.Repeat("x", 2000))
	wantError(t, "List with an invalid prefix", err, client.ErrInvalid)
	_, err = keys(kv, t.Context(), "", client.PageSize(math.MinInt64))
	wantError(t, "List with a negative page size", err, client.ErrInvalid)

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
		t.Errorf("List = %v before its context was canceled, want [a]", got)
	}
}

func TestAListingStartsAfterAKey(t *testing.T) {
	t.Parallel()
	kv := start(t)
	ops := make([]client.Operation, 900)
	for page := range 3 { // more keys than are skipped at a time
		for i := range ops {
			ops[i] = client.OpSet(fmt.Sprintf("a/%04d", page*len(ops)+i), []byte("x"))
		}
		if _, err := kv.Batch(t.Context(), ops...); err != nil {
			t.Fatal(err)
		}
	}
	for after, want := range map[string]struct {
		n     int
		first string
	}{
		"":         {2700, "a/0000"},
		"a":        {2700, "a/0000"},
		"a/0000":   {2699, "a/0001"},
		"a/0998":   {1701, "a/0999"},
		"a/0999":   {1700, "a/1000"},
		"a/0999+":  {1700, "a/1000"},
		"a/2697":   {2, "a/2698"},
		"a/2699":   {0, ""},
		"b":        {0, ""},
		"a/1999.5": {700, "a/2000"},
	} {
		got, err := keys(kv, t.Context(), "a/", client.StartAfter(after), client.PageSize(70))
		if err != nil || len(got) != want.n || want.n > 0 && got[0] != want.first {
			t.Errorf("List after %q = %d keys from %v, %v; want %d from %s", after, len(got), got[:min(1, len(got))], err, want.n, want.first)
		}
	}
	for entry, err := range kv.List(t.Context(), "a/", client.StartAfter("a/2698")) {
		if err != nil || string(entry.Value) != "x" {
			t.Errorf("List after a/2698 = %+v, %v; want the value too", entry, err)
		}
	}
	_, err := keys(kv, t.Context(), strings.Repeat("x", 2000), client.StartAfter("x"))
	wantError(t, "List after a key with an invalid prefix", err, client.ErrInvalid)
}

func TestAListingHasBoundsADirectionAndLevels(t *testing.T) {
	t.Parallel()
	kv := start(t)
	for _, key := range []string{"a", "b/1", "b/2", "c", "d/1"} {
		mustSet(t, kv, key, "x")
	}
	for _, test := range []struct {
		prefix string
		opts   []client.ListOption
		want   string
	}{
		{"", []client.ListOption{client.Range("b/2", "d")}, "b/2 c"},
		{"", []client.ListOption{client.Reverse()}, "d/1 c b/2 b/1 a"},
		{"", []client.ListOption{client.Delimiter("/")}, "a b/ c d/"},
		{"b/", []client.ListOption{client.Delimiter("/")}, "b/1 b/2"},
		{"", []client.ListOption{client.Delimiter("/"), client.Reverse()}, "d/ c b/ a"},
		{"", []client.ListOption{client.StartAfter("b/1"), client.Range("", "d/")}, "b/2 c"},
		{"", []client.ListOption{client.StartAfter("c"), client.Reverse(), client.Range("b/2", "")}, "b/2"},
		{"", []client.ListOption{client.StartAfter("b/"), client.Delimiter("/")}, "c d/"},
		{"", []client.ListOption{client.StartAfter("d"), client.Range("a", "c")}, ""},
		{"", []client.ListOption{client.StartAfter("a"), client.Range("b", "c"), client.Reverse()}, ""},
		{"", []client.ListOption{client.Range("c", "c")}, ""},
	} {
		for _, size := range []int{1, 2, 100} {
			got, err := keys(kv, t.Context(), test.prefix, append(test.opts, client.PageSize(size))...)
			if err != nil || strings.Join(got, " ") != test.want {
				t.Errorf("List(%q) with %d options in pages of %d = %v, %v; want %s", test.prefix, len(test.opts), size, got, err, test.want)
			}
		}
	}
	for _, opts := range [][]client.ListOption{
		{client.Range("c", "a")}, {client.Range("c", "a"), client.Reverse()}, {client.Range("c", "a"), client.StartAfter("b")},
	} {
		_, err := keys(kv, t.Context(), "", opts...)
		wantError(t, "List of a range that ends before its start", err, client.ErrInvalid)
	}
	_, err := kv.DeleteRange(t.Context(), client.KeyRange{Start: "c", End: "a"})
	wantError(t, "DeleteRange of a range that ends before its start", err, client.ErrInvalid)
	for entry, err := range kv.List(t.Context(), "", client.Delimiter("/")) {
		if err != nil || entry.IsPrefix != strings.HasSuffix(entry.Key, "/") || entry.IsPrefix != (entry.ETag == "") {
			t.Errorf("List has %+v, %v; want an entry, or a prefix without an etag", entry, err)
		}
	}
}

func TestDeleteRange(t *testing.T) {
	t.Parallel()
	kv := start(t)
	for i := range 1005 {
		mustSet(t, kv, fmt.Sprintf("tmp/%04d", i), "x")
	}
	mustSet(t, kv, "keep", "x")
	for _, dry := range []bool{true, false} {
		if n, err := kv.DeleteRange(t.Context(), client.KeyRange{Prefix: "tmp/", DryRun: dry}); err != nil || n != 1005 {
			t.Errorf("DeleteRange = %d, %v; want 1005", n, err)
		}
	}
	for i := range 1005 {
		mustSet(t, kv, fmt.Sprintf("tmp/%04d", i), "x")
	}
	errStop := errors.New("stop")
	stop := func(int64) error { return errStop }
	if n, err := kv.DeleteRange(t.Context(), client.KeyRange{Prefix: "tmp/", Each: stop}); err != errStop || n != 1000 {
		t.Errorf("DeleteRange stopped after its first call = %d, %v; want 1000", n, err)
	}
	if n, err := kv.DeleteRange(t.Context(), client.KeyRange{Start: "tmp/", End: "tmp0"}); err != nil || n != 5 {
		t.Errorf("DeleteRange = %d, %v; want the other 5", n, err)
	}
	if n, err := kv.DeleteRange(t.Context(), client.KeyRange{}); err == nil || n != 0 {
		t.Errorf("DeleteRange of no range = %d, %v; want an error", n, err)
	}
	if got, err := keys(kv, t.Context(), ""); err != nil || !slices.Equal(got, []string{"keep"}) {
		t.Errorf("%v, %v are left, want keep", got, err)
	}
}
