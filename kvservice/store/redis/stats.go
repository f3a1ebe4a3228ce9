package redis

import (
	"context"

	"key-value/kvservice/store"
)

// Stats describes the data at about this moment, and what this engine did. Memory is what the primaries say that
// their data takes, without the changes that are kept for watches.
func (e *Engine) Stats(ctx context.Context) (store.Stats, error) {
	stats := store.Stats{
		Hits: e.hits.Load(), Misses: e.misses.Load(), Watchers: e.watches.Load(), StartTime: e.start,
		Guarantees: store.Guarantees{Engine: "redis", Linearizable: true, Durable: true},
	}
	if err := e.count(ctx, &stats); err != nil {
		return store.Stats{}, e.closed(err)
	}
	err := e.eachPrimary(ctx, "everything", func(_ string, info nodeInfo) error {
		stats.MemoryBytes += info.number("used_memory_dataset")
		stats.MaxMemory += info.number("maxmemory")
		stats.Guarantees.Durable = stats.Guarantees.Durable && info["aof_enabled"] == "1"
		return nil
	})
	return stats, e.closed(err)
}

// count adds what the shards count.
func (e *Engine) count(ctx context.Context, stats *store.Stats) error {
	parts := make([]part, len(e.shards))
	for i, s := range e.shards {
		parts[i].call = call{function: "count", keys: s.fixed}
	}
	for _, r := range e.send(ctx, parts) {
		a := read(r)
		if a.err != nil {
			return unasked(a.err)
		}
		var counts [3]uint64
		for i := range counts {
			var err error
			if counts[i], err = number(a.items, i); err != nil {
				return err
			}
		}
		stats.Keys += int64(counts[0])
		stats.Expirations += int64(counts[1])
		stats.MemoryBytes -= int64(counts[2])
	}
	return nil
}
