package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"key-value/kvservice/store"
)

var listChecks = []Check{
	{"an empty store has one empty page", func(t T, e store.Engine) {
		if page := list(t, e, store.ListRequest{}); len(page.Entries) != 0 || page.More {
			t.Fatalf("first page is %+v", page)
		}
	}},
	{"keys are listed in byte order", func(t T, e store.Engine) {
		for _, key := range []string{"b", "aé", "a", "\U0010fffd", "\ufffd", "é", "a/b", "a0", "B"} {
			do(t, e, set(key, "v"))
		}
		wantKeys(t, list(t, e, store.ListRequest{}).Entries,
			"B", "a", "a/b", "a0", "aé", "b", "é", "\ufffd", "\U0010fffd")
	}},
	{"a prefix restricts a listing to the keys that begin with it", func(t T, e store.Engine) {
		for _, key := range []string{"a", "ab", "abé", "abéé", "abc", "ac", "b"} {
			do(t, e, set(key, "v"))
		}
		wantKeys(t, list(t, e, store.ListRequest{Prefix: "ab"}).Entries, "ab", "abc", "abé", "abéé")
		wantKeys(t, list(t, e, store.ListRequest{Prefix: "abé"}).Entries, "abé", "abéé")
		wantKeys(t, list(t, e, store.ListRequest{Prefix: "x"}).Entries)
	}},
	{"a page starts after a key, whether or not it exists", func(t T, e store.Engine) {
		for _, key := range []string{"a", "b", "c"} {
			do(t, e, set(key, "v"))
		}
		wantKeys(t, list(t, e, store.ListRequest{After: "a"}).Entries, "b", "c")
		wantKeys(t, list(t, e, store.ListRequest{After: "aa"}).Entries, "b", "c")
		wantKeys(t, list(t, e, store.ListRequest{After: "c"}).Entries)
		wantKeys(t, list(t, e, store.ListRequest{Prefix: "b", After: "a"}).Entries, "b")
		wantKeys(t, list(t, e, store.ListRequest{Prefix: "b", After: "c"}).Entries)
	}},
	{"entries are listed with or without their values", func(t T, e store.Engine) {
		wrote := do(t, e, set("k", "v")).Entry
		whole := list(t, e, store.ListRequest{}).Entries[0]
		bare := list(t, e, store.ListRequest{KeysOnly: true}).Entries[0]
		wantSame(t, whole, wrote)
		wantSame(t, bare, wrote)
		if string(whole.Value) != "v" || bare.Value != nil {
			t.Fatalf("values are %q and %q, want v and none", whole.Value, bare.Value)
		}
	}},
	{"pages of any size add up to the whole listing", func(t T, e store.Engine) {
		var want []string
		for i := range 57 {
			want = append(want, fmt.Sprintf("k/%03d", i))
			do(t, e, set(want[i], "v"))
		}
		do(t, e, set("l", "beyond"))
		for _, limit := range []int{1, 2, 7, 56, 57, 58, 1000} {
			entries := pages(t, e, store.ListRequest{Prefix: "k/", Limit: limit})
			wantKeys(t, entries, want...)
		}
	}},
	{"a page ends before the entry that exceeds its byte limit, but has at least one", func(t T, e store.Engine) {
		for i := range 10 {
			do(t, e, set(fmt.Sprint(i), strings.Repeat("v", 99)))
		}
		wantKeys(t, list(t, e, store.ListRequest{MaxBytes: 1}).Entries, "0")
		wantKeys(t, list(t, e, store.ListRequest{MaxBytes: 199}).Entries, "0")
		wantKeys(t, list(t, e, store.ListRequest{MaxBytes: 200}).Entries, "0", "1")
		if entries := pages(t, e, store.ListRequest{MaxBytes: 250}); len(entries) != 10 {
			t.Fatalf("pages have %d entries, want 10", len(entries))
		}
	}},
	{"a listing begins at its start and ends before its end, whether or not these exist", func(t T, e store.Engine) {
		for _, key := range []string{"a", "b/1", "b/2", "b/3", "c"} {
			do(t, e, set(key, "v"))
		}
		wantKeys(t, list(t, e, store.ListRequest{Start: "b/1", End: "c"}).Entries, "b/1", "b/2", "b/3")
		wantKeys(t, list(t, e, store.ListRequest{Start: "aa"}).Entries, "b/1", "b/2", "b/3", "c")
		wantKeys(t, list(t, e, store.ListRequest{End: "b/22"}).Entries, "a", "b/1", "b/2")
		wantKeys(t, list(t, e, store.ListRequest{Prefix: "b/", Start: "a", End: "b/3"}).Entries, "b/1", "b/2")
		wantKeys(t, list(t, e, store.ListRequest{Start: "b/2", After: "a"}).Entries, "b/2", "b/3", "c")
		wantKeys(t, list(t, e, store.ListRequest{Start: "c", End: "a"}).Entries)
		wantKeys(t, list(t, e, store.ListRequest{Start: "b", End: "b"}).Entries)
	}},
	{"a listing in reverse has the same keys in the opposite order", func(t T, e store.Engine) {
		var keys []string
		for i := range 150 {
			keys = append(keys, fmt.Sprintf("k/%03d", i))
			do(t, e, set(keys[i], "v"))
		}
		do(t, e, set("j", "before"))
		do(t, e, set("l", "after"))
		slices.Reverse(keys)
		for _, limit := range []int{1, 7, 150, 1000} {
			wantKeys(t, pages(t, e, store.ListRequest{Prefix: "k/", Limit: limit, Reverse: true}), keys...)
		}
		wantKeys(t, pages(t, e, store.ListRequest{Start: "k/148", End: "l", Limit: 1, Reverse: true}), "k/149", "k/148")
		wantKeys(t, list(t, e, store.ListRequest{Prefix: "k/", After: "k/0015", Reverse: true}).Entries, "k/001", "k/000")
	}},
	{"keys with a delimiter after the prefix are rolled up", func(t T, e store.Engine) {
		for _, key := range []string{"a", "a/", "a/b", "a/b/c", "a0", "b//c", "c/d", "é/1", "é/2", "z"} {
			do(t, e, set(key, "v"))
		}
		wantLevel(t, e, store.ListRequest{Delimiter: "/"}, "a", "a/", "a0", "b/", "c/", "z", "é/")
		wantLevel(t, e, store.ListRequest{Prefix: "a/", Delimiter: "/"}, "a/", "a/b", "a/b/")
		wantLevel(t, e, store.ListRequest{Prefix: "a", Delimiter: "/"}, "a", "a/", "a0")
		wantLevel(t, e, store.ListRequest{Delimiter: "//"}, "a", "a/", "a/b", "a/b/c", "a0", "b//", "c/d", "z", "é/1", "é/2")
		wantLevel(t, e, store.ListRequest{Delimiter: "/", Start: "a/b", End: "c/c"}, "a/", "a0", "b/")
		wantLevel(t, e, store.ListRequest{Delimiter: "/", Start: "a/x", End: "c/e"}, "a0", "b/", "c/")
		wantLevel(t, e, store.ListRequest{Delimiter: "/", After: "a/"}, "a0", "b/", "c/", "z", "é/")
	}},
	{"a rolled-up prefix is listed once, however many keys have it and however small the pages are", func(t T, e store.Engine) {
		var want []string
		for folder := range 7 {
			want = append(want, fmt.Sprintf("%d/", folder), fmt.Sprintf("%d~", folder))
			for i := range 150 {
				do(t, e, set(fmt.Sprintf("%d/%03d", folder, i), "v"))
			}
			do(t, e, set(fmt.Sprintf("%d~", folder), "v"))
		}
		wantLevel(t, e, store.ListRequest{Delimiter: "/"}, want...)
		wantLevel(t, e, store.ListRequest{Delimiter: "/", KeysOnly: true, Start: "3/1", End: "3/~"}, "3/")
	}},
	{"a prefix is rolled up only as long as an entry with it exists", func(t T, e store.Engine) {
		for _, key := range []string{"a/1", "b/1", "b/2", "c/1"} {
			do(t, e, setFor(key, "v", 10*time.Millisecond))
		}
		do(t, e, set("b/3", "v"))
		do(t, e, set("d/1", "v"))
		do(t, e, del("d/1"))
		eventually(t, "all that expire are gone", func() bool {
			return len(list(t, e, store.ListRequest{}).Entries) == 1
		})
		wantLevel(t, e, store.ListRequest{Delimiter: "/"}, "b/")
	}},
	{"a page after a deleted key continues where the key was", func(t T, e store.Engine) {
		for _, key := range []string{"a", "b", "c", "d"} {
			do(t, e, set(key, "v"))
		}
		first := list(t, e, store.ListRequest{Limit: 2})
		do(t, e, del("b"))
		wantKeys(t, list(t, e, store.ListRequest{After: first.Entries[1].Key}).Entries, "c", "d")
	}},
}

// pages reads all pages of a listing and returns their entries.
func pages(t T, e store.Engine, req store.ListRequest) []store.Entry {
	t.Helper()
	var all []store.Entry
	for {
		page := list(t, e, req)
		if req.Limit > 0 && len(page.Entries) > req.Limit {
			t.Fatalf("page has %d entries, want at most %d", len(page.Entries), req.Limit)
		}
		all = append(all, page.Entries...)
		if !page.More {
			return all
		}
		if page.Len() == 0 {
			t.Fatalf("an empty page of %+v reports more entries", req)
		}
		req.After = page.Last(req.Reverse)
	}
}

// wantLevel checks that a listing has these keys and prefixes, in pages of any size and in both directions.
func wantLevel(t T, e store.Engine, req store.ListRequest, want ...string) {
	t.Helper()
	for _, reverse := range []bool{false, true} {
		for _, limit := range []int{1, 2, 3, 1000} {
			req := req
			req.Limit, req.Reverse = limit, reverse
			if reverse && req.After != "" {
				continue
			}
			var got []string
			for more := true; more; {
				page := list(t, e, req)
				got = append(got, levelOf(page, reverse)...)
				more = page.More
				if page.Len() > limit || more && (page.Len() == 0 || len(got) > len(want)) {
					t.Fatalf("list %+v returned %q and more %t, want %q in all", req, levelOf(page, reverse), more, want)
				}
				if more {
					req.After = page.Last(reverse)
				}
			}
			if reverse {
				slices.Reverse(got)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("list %+v has %q in pages of %d, want %q", req, got, limit, want)
			}
		}
	}
}

// levelOf returns the keys and prefixes of page, in the order of the listing.
func levelOf(page store.Page, reverse bool) []string {
	all := append(keysOf(page.Entries), page.Prefixes...)
	slices.Sort(all)
	if reverse {
		slices.Reverse(all)
	}
	return all
}

var propertyChecks = []Check{
	{"sequential calls return what a map would", func(t T, e store.Engine) {
		CheckModel(t, t.Context(), e, "model/")
	}},
	{"pages have every key that exists throughout exactly once, despite other writes", func(t T, e store.Engine) {
		var steady []string
		for i := range 50 {
			steady = append(steady, fmt.Sprintf("s/%04d", 2*i))
			do(t, e, set(steady[i], "steady"))
		}
		var written atomic.Int64
		stop := churn(t.Context(), e, &written)
		defer stop()
		for _, limit := range []int{1, 3, 10, 1000} {
			for begin, n := written.Load(), 0; n < 10 || written.Load() < begin+int64(rounds(3000)); n++ {
				wantSteady(t, pages(t, e, store.ListRequest{Prefix: "s/", Limit: limit}), steady)
			}
		}
	}},
}

// churners is how many writers churn has. With a log, as many writes share a sync.
const churners = 8

// churn writes and deletes keys "s/%04d" with odd numbers until stop is called.
func churn(ctx context.Context, s Store, written *atomic.Int64) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var writers sync.WaitGroup
	for writer := range churners {
		writers.Go(func() {
			random := rand.New(rand.NewPCG(uint64(writer), 1))
			for ctx.Err() == nil {
				op := set(fmt.Sprintf("s/%04d", 2*random.IntN(50)+1), "churn")
				if random.IntN(2) == 0 {
					op.Kind = store.Delete
				}
				_, _ = s.Do(ctx, op)
				written.Add(1)
			}
		})
	}
	return func() {
		cancel()
		writers.Wait()
	}
}

// wantSteady checks that entries are in order, and that all those with the value "steady" are there exactly once.
func wantSteady(t T, entries []store.Entry, steady []string) {
	t.Helper()
	if keys := keysOf(entries); !slices.IsSorted(keys) || len(slices.Compact(keys)) != len(entries) {
		t.Fatalf("pages have keys out of order or duplicated: %s", strings.Join(keysOf(entries), " "))
	}
	var seen []store.Entry
	for _, entry := range entries {
		if string(entry.Value) == "steady" {
			seen = append(seen, entry)
		}
	}
	wantKeys(t, seen, steady...)
}
