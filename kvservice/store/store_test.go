package store_test

import (
	"math"
	"strconv"
	"testing"

	"key-value/kvservice/store"
)

func TestVersionRoundTrips(t *testing.T) {
	for _, v := range []store.Version{{1, 0}, {1, 1}, {math.MaxUint64, math.MaxUint64}} {
		if got, ok := store.ParseVersion(v.String()); !ok || got != v {
			t.Errorf("ParseVersion(%q) = %v, %v; want %v", v.String(), got, ok, v)
		}
	}
}

func TestParseVersionRejectsEverythingElse(t *testing.T) {
	for _, s := range []string{"", "-", "1", "1-", "-1", "1-1-1", "01-1", "1-+1", "A-1", `"1-1"`, "zzzzzzzzzzzzzz-1"} {
		if v, ok := store.ParseVersion(s); ok {
			t.Errorf("ParseVersion(%q) = %v, want none", s, v)
		}
	}
}

func FuzzParseVersion(f *testing.F) {
	f.Add("2vxi4i7azeo1-3k")
	f.Fuzz(func(t *testing.T, s string) {
		if v, ok := store.ParseVersion(s); ok && v.String() != s {
			t.Errorf("ParseVersion(%q) = %v, whose String is %q", s, v, v.String())
		}
	})
}

func TestRollUp(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ key, prefix, delimiter, want string }{
		{"a/b/c", "", "/", "a/"},
		{"a/b/c", "a/", "/", "a/b/"},
		{"a/b", "a/", "/", ""},
		{"a/", "", "/", "a/"},
		{"a//b", "a/", "/", "a//"},
		{"a::b", "", "::", "a::"},
		{"a:b", "", "::", ""},
		{"a/b", "", "", ""},
		{"a", "a/b", "/", ""},
	} {
		got, ok := store.ListRequest{Prefix: test.prefix, Delimiter: test.delimiter}.RollUp(test.key)
		if got != test.want || ok != (test.want != "") {
			t.Errorf("RollUp of %q with prefix %q and delimiter %q = %q, %t; want %q",
				test.key, test.prefix, test.delimiter, got, ok, test.want)
		}
	}
}

func TestAnETagHasTwoNumbersInBase36(t *testing.T) {
	for shift := range 64 {
		for _, n := range []uint64{1 << shift, 1<<shift - 1, math.MaxUint64 >> shift} {
			v := store.Version{Epoch: n, Revision: n / 36}
			want := strconv.FormatUint(v.Epoch, 36) + "-" + strconv.FormatUint(v.Revision, 36)
			if got := v.String(); got != want {
				t.Errorf("the etag of %+v is %s, want %s", v, got, want)
			}
		}
	}
}
