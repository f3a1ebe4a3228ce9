package etcd

import (
	"context"
	"errors"
	"math"

	"key-value/internal/keyrange"
	"key-value/kvservice/store"
)

// DeleteRange removes entries at one instant. If others are written in their range in the meantime, it begins again.
func (e *Engine) DeleteRange(ctx context.Context, req store.RangeRequest) (store.RangeResult, error) {
	for {
		result, err := e.deleteRange(ctx, req)
		if !errors.Is(err, errConflict) {
			return result, e.closed(err)
		}
	}
}

func (e *Engine) deleteRange(ctx context.Context, req store.RangeRequest) (store.RangeResult, error) {
	listing := store.ListRequest{
		Prefix: req.Prefix, Start: req.Start, End: req.End, After: req.After, Limit: req.Limit, MaxBytes: math.MaxInt, KeysOnly: true,
	}
	page, revision, err := e.list(ctx, listing)
	result := store.RangeResult{Deleted: len(page.Entries), More: page.More}
	if err != nil || len(page.Entries) == 0 {
		return result, err
	}
	if result.Last = page.Last(false); req.DryRun {
		return result, nil
	}
	deleted := listing.Rest()
	if page.More {
		deleted = deleted.Before(keyrange.Next(result.Last))
	}
	ops := make([]store.Operation, len(page.Entries))
	for i, entry := range page.Entries {
		ops[i] = store.Operation{Kind: store.Delete, Key: entry.Key}
	}
	from, to := e.names.entry(deleted.Start), end(e.names.entries)
	if deleted.End != "" {
		to = e.names.entry(deleted.End)
	}
	results, err := e.writer.submit(ctx, &call{ops: ops, atomic: true, condition: noneSince(from, to, revision)})
	if err != nil {
		return store.RangeResult{}, err
	}
	result.Deleted = 0
	for _, r := range results {
		if r.Changed {
			result.Deleted++
		}
	}
	return result, nil
}
