package client

import (
	"context"
	"iter"
	"maps"
	"slices"

	"key-value/internal/contract"
)

// All iterates over the entries whose keys begin with prefix, or all entries if it is empty, in byte order of their keys. It is
// [Client.List] for programs that read all of them: it fetches up to 1,000 at a time.
func (c *Client) All(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	return c.List(ctx, prefix, PageSize(contract.MaxPageSize))
}

// GetMany returns the entries of keys, by key. Keys that do not exist are left out. It sends as many requests as needed: one for
// 1,000 keys or 8 MiB of values.
//
// Each entry is as it was at some instant during the call, not all at the same one. To read up to 1,000 keys at one instant, use
// [Client.AtomicBatch]. If a request fails, so does GetMany, and returns nothing.
func (c *Client) GetMany(ctx context.Context, keys ...string) (map[string]Entry, error) {
	found := make(map[string]Entry, len(keys))
	keys = slices.Clone(keys)
	for size := contract.MaxOperations; len(keys) > 0; {
		asked := keys[:min(size, len(keys))]
		left, err := c.getSome(ctx, asked, found)
		if err != nil {
			return nil, err
		}
		answered := len(asked) - len(left)
		copy(keys[answered:], left)
		keys = keys[answered:]
		size = min(2*answered, contract.MaxOperations)
	}
	return found, nil
}

// getSome adds the entries of 1 to 1,000 keys to found. It returns the keys that did not fit into the response, which are
// not all.
func (c *Client) getSome(ctx context.Context, keys []string, found map[string]Entry) (left []string, err error) {
	operations := make([]Operation, len(keys))
	for i, key := range keys {
		operations[i] = OpGet(key, AllowMissing())
	}
	results, err := c.Batch(ctx, operations...)
	if err != nil {
		return nil, err
	}
	for i, r := range results {
		switch {
		case isBatchTooLarge(r.Err):
			left = append(left, keys[i])
		case r.Err != nil:
			return nil, r.Err
		case r.Entry.ETag != "":
			found[keys[i]] = r.Entry
		}
	}
	if len(left) < len(keys) {
		return left, nil
	}
	entry, err := c.Get(ctx, keys[0], AllowMissing()) // too long for any batch
	if err == nil && entry.ETag != "" {
		found[keys[0]] = entry
	}
	return left[1:], err
}

// manyBytes is about how much SetMany sends in one request. It is less than what a service with the default limit accepts.
const manyBytes = 1 << 20

// SetMany stores values by key, each as [Client.Set] does, and returns the entries that it wrote, by key. It sends as many
// requests as needed, in the order of the keys: one for 1,000 keys or 1 MiB.
//
// Each entry is written on its own: other clients may see some before others, and one that fails, such as for its [Condition],
// does not keep the others from being written. The error is that of the first key that failed. If a request fails as a whole,
// SetMany stops; if that is with [ErrUnavailable], any of the entries of that request may have been written. To write up to 1,000
// keys all together or not at all, use [Client.AtomicBatch].
func (c *Client) SetMany(ctx context.Context, values map[string][]byte, opts ...WriteOption) (map[string]Entry, error) {
	wrote := make(map[string]Entry, len(values))
	var first error
	for keys := slices.Sorted(maps.Keys(values)); len(keys) > 0; {
		n := fitting(keys, values)
		results, n, err := c.setSome(ctx, keys[:n], values, opts)
		if err != nil {
			return wrote, err
		}
		for i, r := range results {
			if r.Err == nil {
				wrote[keys[i]] = r.Entry
			} else if first == nil {
				first = r.Err
			}
		}
		keys = keys[n:]
	}
	return wrote, first
}

// setSome stores the values of keys, or of the first of them if the service has a lower limit, and returns a result for each
// that it tried, and how many those are.
func (c *Client) setSome(
	ctx context.Context, keys []string, values map[string][]byte, opts []WriteOption,
) ([]Result, int, error) {
	operations := make([]Operation, len(keys))
	for i, key := range keys {
		operations[i] = OpSet(key, values[key], opts...)
	}
	for n := len(operations); ; n /= 2 {
		results, err := c.Batch(ctx, operations[:n]...)
		if n == 1 || !isBatchTooLarge(err) {
			return results, n, err
		}
	}
}

// fitting returns how many of the keys, at least one, fit into a request with their values.
func fitting(keys []string, values map[string][]byte) int {
	bytes := 0
	for i, key := range keys[:min(len(keys), contract.MaxOperations)] {
		if bytes += len(key) + len(values[key]); i > 0 && bytes > manyBytes {
			return i
		}
	}
	return min(len(keys), contract.MaxOperations)
}

// isBatchTooLarge reports whether fewer operations would not have failed with err.
func isBatchTooLarge(err error) bool {
	e, ok := err.(*Error)
	return ok && contract.Reason(e.Reason) == contract.BatchTooLarge
}
