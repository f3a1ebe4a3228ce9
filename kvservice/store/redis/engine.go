// Package redis is the engine that keeps entries in Redis or Valkey, on one node or in a cluster.
//
// The data is divided into shards, each in one slot of the cluster. All that changes in a shard (its entries, the index
// that listings read, the stream of changes that watches read, its counter) changes in one call of a function on the
// primary that owns it: functions.lua says how. The engine itself holds nothing that matters, so any number of programs
// can use the same data.
//
// A listing, and a watch of a prefix, merges what the shards have. Revisions come from a hybrid logical clock, so the
// changes of all shards have an order, in which a change comes behind every other that its writer could know of
// through this engine; between engines it is as good as the clocks of the nodes agree.
//
// Replication is asynchronous: a primary that fails can lose writes that it has acknowledged, and its counter goes
// back with them. So each shard has an epoch, which changes with every new primary. No version and no resume token
// from before it matches anything that comes after.
package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"key-value/internal/follow/tlsfiles"
	"key-value/kvservice/store"
)

// Options says where the data is. Only Addresses must be set.
type Options struct {
	Addresses []string // host:port of some nodes, from which the others are found
	TLS       bool
	// Authorities signed the certificates of the nodes. Nil: those of the system.
	Authorities *tlsfiles.Authorities
	Username    string
	Password    string
	Database    int // of a single node
	// Shards is how many shards the data is in. It is fixed with the first entry, so afterwards it can only be wrong.
	// Zero: as it is, or DefaultShards.
	Shards int
	// HistoryBytes is how much of the latest changes is kept for watches to resume from, in all shards together.
	// Zero: 64 MiB.
	HistoryBytes int64
}

const defaultHistoryBytes = 64 << 20

// Engine is a [store.Engine] in Redis or Valkey. Make one with [Open].
type Engine struct {
	client      rueidis.Client
	shards      []shard
	historyText string // bytes of a shard's stream, as functions take it
	start       time.Time
	dispatcher  *dispatcher
	seen        atomic.Uint64 // the highest revision known of
	hits        atomic.Int64
	misses      atomic.Int64
	watches     atomic.Int64

	ctx     context.Context //nolint:containedctx // done when the engine is closed
	cancel  context.CancelFunc
	workers sync.WaitGroup
}

var _ store.Engine = (*Engine)(nil)

// Open connects to the nodes, and tells them of the functions.
func Open(ctx context.Context, o Options) (*Engine, error) {
	client, err := connect(o)
	if err != nil {
		return nil, err
	}
	e := &Engine{client: client, start: time.Now()}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.dispatcher = newDispatcher(e)
	if err := e.prepare(ctx, o); err != nil {
		e.cancel()
		client.Close()
		return nil, err
	}
	e.workers.Go(e.sweep)
	e.workers.Go(e.dispatcher.run)
	return e, nil
}

// prepare finds out what the nodes have, and gives them what they lack.
func (e *Engine) prepare(ctx context.Context, o Options) error {
	if err := e.checkNodes(ctx); err != nil {
		return err
	}
	n, err := e.agreeOnShards(ctx, o.Shards)
	if err != nil {
		return err
	}
	history := o.HistoryBytes
	if history == 0 {
		history = defaultHistoryBytes
	}
	e.shards, e.historyText = newShards(n), strconv.FormatInt(max(1, history/int64(n)), 10)
	if err := e.load(ctx); err != nil {
		return fmt.Errorf("load functions: %w", err)
	}
	return nil
}

// shardsKey holds how many shards the data is in.
const shardsKey = "kv.shards"

// agree returns how many shards the data is in. If there is no data yet, there will be as many as wanted.
func (e *Engine) agreeOnShards(ctx context.Context, wanted int) (int, error) {
	if wanted < 0 || wanted > maxShards {
		return 0, fmt.Errorf("%d shards: there are 1 to %d", wanted, maxShards)
	}
	first := wanted
	if first == 0 {
		first = DefaultShards
	}
	b := e.client.B()
	if err := e.client.Do(ctx, b.Setnx().Key(shardsKey).Value(strconv.Itoa(first)).Build()).Error(); err != nil {
		return 0, fmt.Errorf("write %s: %w", shardsKey, err)
	}
	n, err := e.client.Do(ctx, e.client.B().Get().Key(shardsKey).Build()).AsInt64()
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", shardsKey, err)
	}
	if n < 1 || n > maxShards || wanted != 0 && int64(wanted) != n {
		return 0, fmt.Errorf("the data is in %d shards, not in %d: leave out the number, or move the data", n, wanted)
	}
	return int(n), nil
}

// Close ends the watches and waits for the engine's goroutines.
func (e *Engine) Close() error {
	e.cancel()
	e.workers.Wait()
	e.client.Close()
	return nil
}

// saw takes note of a revision, so that what this engine writes from now on comes behind it.
func (e *Engine) observe(revision uint64) {
	for {
		seen := e.seen.Load()
		if revision <= seen || e.seen.CompareAndSwap(seen, revision) {
			return
		}
	}
}

func (e *Engine) seenText() string { return strconv.FormatUint(e.seen.Load(), 10) }

// closed returns [store.ErrClosed] in place of an error that comes of closing.
func (e *Engine) closed(err error) error {
	if err != nil && (e.ctx.Err() != nil || errors.Is(err, rueidis.ErrClosing)) {
		return store.ErrClosed
	}
	return err
}

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
			return pollError(a.err)
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
