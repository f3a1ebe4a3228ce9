package client

import (
	"context"
	"iter"
	"math"

	keyvaluev1 "key-value/gen/keyvalue/v1"
)

// ListOption changes what List returns, or how.
type ListOption func(*keyvaluev1.ListRequest)

// KeysOnly leaves the entries' values out.
func KeysOnly() ListOption {
	return func(req *keyvaluev1.ListRequest) { req.KeysOnly = true }
}

// PageSize is how many entries are fetched by one call: at most 1,000, and 100 if it is 0 or not given. The
// listing is the same with any.
func PageSize(n int) ListOption {
	return func(req *keyvaluev1.ListRequest) { req.PageSize = int32(max(math.MinInt32, min(n, math.MaxInt32))) }
}

// List returns the entries whose keys begin with prefix, all of them if it is empty, in byte order of their keys.
//
// A key that is there throughout is seen exactly once. One that is written or deleted during the listing may be seen
// or not. The listing fetches the next page when it gets there, and ends early with the error of a page that
// failed, as its last pair.
func (c *Client) List(ctx context.Context, prefix string, opts ...ListOption) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		req := &keyvaluev1.ListRequest{Prefix: prefix}
		for _, opt := range opts {
			opt(req)
		}
		for more := true; more; more = req.GetPageToken() != "" {
			page, err := call(ctx, req, c.rpc.List)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for _, e := range page.GetEntries() {
				if !yield(newEntry(e), nil) {
					return
				}
			}
			req.PageToken = page.GetNextPageToken()
		}
	}
}
