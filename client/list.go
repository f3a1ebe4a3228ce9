package client

import (
	"context"
	"iter"
	"math"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
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

// StartAfter starts the listing after key, which need not exist, such as to continue a listing that was interrupted. It
// fetches the keys before, without their values.
func StartAfter(key string) ListOption {
	return func(l *listing) { l.after = key }
}

// PageSize sets how many entries are fetched at a time: at most 1,000. Zero means 100, the default. It does not change
// what is listed.
func PageSize(n int) ListOption {
	return func(l *listing) { l.request.PageSize = int32(max(math.MinInt32, min(n, math.MaxInt32))) }
}

// List iterates over the entries whose keys begin with prefix, or all entries if it is empty, in byte order of their keys.
//
// A key that exists throughout the iteration is listed exactly once. A key that is written or deleted meanwhile may or may
// not be listed. Pages are fetched as the iteration reaches them. If one fails, its error is the last pair.
func (c *Client) List(ctx context.Context, prefix string, opts ...ListOption) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		l := &listing{request: &keyvaluev1.ListRequest{Prefix: prefix}}
		for _, opt := range opts {
			opt(l)
		}
		if err := c.skip(ctx, l); err != nil {
			yield(Entry{}, err)
			return
		}
		for more := true; more; more = l.request.GetPageToken() != "" {
			page, err := call(ctx, l.request, c.rpc.List)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for _, e := range page.GetEntries() {
				if e.GetKey() > l.after && !yield(newEntry(e), nil) {
					return
				}
			}
			l.request.PageToken = page.GetNextPageToken()
		}
	}
}

// skip moves l to the page that has its first entry.
func (c *Client) skip(ctx context.Context, l *listing) error {
	if l.after == "" {
		return nil
	}
	req := &keyvaluev1.ListRequest{Prefix: l.request.GetPrefix(), PageSize: contract.MaxPageSize, KeysOnly: true}
	for {
		page, err := call(ctx, req, c.rpc.List)
		if err != nil {
			return err
		}
		keys := page.GetEntries()
		if page.GetNextPageToken() == "" || len(keys) != 0 && keys[len(keys)-1].GetKey() > l.after {
			return nil
		}
		req.PageToken, l.request.PageToken = page.GetNextPageToken(), page.GetNextPageToken()
	}
}
