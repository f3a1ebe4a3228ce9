package client

import (
	"context"
	"iter"
	"math"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
)

// ListOption changes what List returns, or how.
type ListOption func(*listing)

// listing is what List is asked for.
type listing struct {
	request *keyvaluev1.ListRequest // of the next page
	after   string                  // the key behind which the listing begins; "": at its first
}

// KeysOnly leaves the entries' values out.
func KeysOnly() ListOption {
	return func(l *listing) { l.request.KeysOnly = true }
}

// StartAfter begins the listing behind key, whether or not there is such a key, as one that was cut off goes on. It
// fetches the keys up to there, without their values.
func StartAfter(key string) ListOption {
	return func(l *listing) { l.after = key }
}

// PageSize is how many entries are fetched by one call: at most 1,000, and 100 if it is 0 or not given. The
// listing is the same with any.
func PageSize(n int) ListOption {
	return func(l *listing) { l.request.PageSize = int32(max(math.MinInt32, min(n, math.MaxInt32))) }
}

// List returns the entries whose keys begin with prefix, all of them if it is empty, in byte order of their keys.
//
// A key that is there throughout is seen exactly once. One that is written or deleted during the listing may be seen
// or not. The listing fetches the next page when it gets there, and ends early with the error of a page that
// failed, as its last pair.
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

// skip moves l to the page on which its first entry is.
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
