package client

import (
	"context"
	"iter"
	"math"
	"slices"
	"strings"

	keyvaluev1 "key-value/gen/keyvalue/v1"
)

// ListOption changes what [Client.List] returns.
type ListOption func(*listing)

// listing is one run of List.
type listing struct {
	request *keyvaluev1.ListRequest // for the next page
	after   string                  // the listing starts after this key; "": at the first one
}

// KeysOnly omits the values of the entries.
func KeysOnly() ListOption {
	return func(l *listing) { l.request.KeysOnly = true }
}

// StartAfter starts the listing after key, which need not exist, such as to continue a listing that was interrupted. With
// [Reverse], the listing starts before key.
func StartAfter(key string) ListOption {
	return func(l *listing) { l.after = key }
}

// Range restricts the listing to keys from start on and before end, neither of which need exist. An empty start or end means
// that there is no such bound. A start after end fails with [ErrInvalid], also with [Reverse].
func Range(start, end string) ListOption {
	return func(l *listing) { l.request.Start, l.request.End = start, end }
}

// Reverse lists from the last key to the first.
func Reverse() ListOption {
	return func(l *listing) { l.request.Reverse = true }
}

// Delimiter lists one level of a hierarchy, such as that of paths with the delimiter "/". All keys that have the delimiter
// after the prefix of the listing are represented by what they begin with, up to its end: an [Entry] whose IsPrefix is set.
// Each is listed once, in order, and the keys behind it are not read.
func Delimiter(delimiter string) ListOption {
	return func(l *listing) { l.request.Delimiter = delimiter }
}

// PageSize sets how many entries are fetched at a time: at most 1,000. Zero means 100, the default. It does not change
// what is listed.
func PageSize(n int) ListOption {
	return func(l *listing) { l.request.PageSize = int32(max(math.MinInt32, min(n, math.MaxInt32))) }
}

// List iterates over the entries whose keys begin with prefix, or all entries if it is empty, in byte order of their keys, or
// in [Reverse]. [Range] and [Delimiter] restrict it further.
//
// A key that exists throughout the iteration is listed exactly once. A key that is written or deleted meanwhile may or may
// not be listed. Pages are fetched as the iteration reaches them. If one fails, its error is the last pair.
func (c *Client) List(ctx context.Context, prefix string, opts ...ListOption) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		l := &listing{request: &keyvaluev1.ListRequest{Prefix: prefix}}
		for _, opt := range opts {
			opt(l)
		}
		l.begin()
		for more := true; more; more = l.request.GetPageToken() != "" {
			page, err := call(ctx, l.request, c.rpc.List)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for _, e := range l.merge(page) {
				if l.begun(e.Key) && !yield(e, nil) {
					return
				}
			}
			l.request.PageToken = page.GetNextPageToken()
		}
	}
}

// begin narrows the range of l to what is listed.
func (l *listing) begin() {
	switch req := l.request; {
	case l.after == "":
	case !req.GetReverse() && l.after > req.GetStart():
		req.Start = l.after
		if req.GetEnd() != "" {
			req.Start = min(req.GetStart(), req.GetEnd()) // nothing is left
		}
	case req.GetReverse() && (req.GetEnd() == "" || l.after < req.GetEnd()):
		req.End = max(l.after, req.GetStart())
	}
}

// begun reports whether key is listed: it is not before where l starts, which a service without ranges does not know.
func (l *listing) begun(key string) bool {
	if l.request.GetReverse() {
		return l.after == "" || key < l.after
	}
	return key > l.after
}

// merge returns the entries and prefixes of page in their order.
func (l *listing) merge(page *keyvaluev1.ListResponse) []Entry {
	all := make([]Entry, 0, len(page.GetEntries())+len(page.GetPrefixes()))
	for _, e := range page.GetEntries() {
		all = append(all, newEntry(e))
	}
	if len(page.GetPrefixes()) == 0 {
		return all
	}
	for _, prefix := range page.GetPrefixes() {
		all = append(all, Entry{Key: prefix, IsPrefix: true})
	}
	slices.SortFunc(all, func(a, b Entry) int {
		if l.request.GetReverse() {
			a, b = b, a
		}
		return strings.Compare(a.Key, b.Key)
	})
	return all
}
