package redis

import (
	"context"
	"errors"
	"fmt"
	"math"

	"key-value/kvservice/store"
)

// DeleteRange removes entries: those of one shard at one instant.
func (e *Engine) DeleteRange(ctx context.Context, req store.RangeRequest) (store.RangeResult, error) {
	page, err := e.List(ctx, store.ListRequest{
		Prefix: req.Prefix, Start: req.Start, End: req.End, After: req.After, Limit: req.Limit, MaxBytes: math.MaxInt, KeysOnly: true,
	})
	result := store.RangeResult{Deleted: len(page.Entries), More: page.More}
	if err != nil || len(page.Entries) == 0 {
		return result, err
	}
	result.Last = page.Last(false)
	if req.DryRun {
		return result, nil
	}
	ops := make([]store.Operation, len(page.Entries))
	for i, entry := range page.Entries {
		ops[i] = store.Operation{Kind: store.Delete, Key: entry.Key}
	}
	results, err := e.Batch(ctx, ops, false)
	if err != nil {
		return store.RangeResult{}, err
	}
	return countDeleted(result, results)
}

// countDeleted returns result with the number of entries that were removed. If a shard did not remove its entries but
// others did, the outcome is unknown.
func countDeleted(result store.RangeResult, results []store.Result) (store.RangeResult, error) {
	var failed error
	result.Deleted = 0
	for _, r := range results {
		if r.Err != nil {
			failed = r.Err
		} else if r.Changed {
			result.Deleted++
		}
	}
	if failed != nil && result.Deleted > 0 && !errors.Is(failed, store.ErrUnknownOutcome) {
		failed = fmt.Errorf("%w: some entries were deleted, others were not: %v", store.ErrUnknownOutcome, failed)
	}
	return result, failed
}
