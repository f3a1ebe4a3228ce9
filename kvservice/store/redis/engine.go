// Package redis is the storage engine that keeps entries in Redis or Valkey, on one node or in a cluster.
//
// The data is divided into shards, each in one slot of the cluster. Everything that a write changes in a shard
// (entries, the index that listings read, the stream of changes that watches read, and a counter) changes in one call
// of a function on the primary that owns the slot; see functions.lua. The engine itself holds no state that matters,
// so any number of programs can use the same data.
//
// Listings, and watches of prefixes, merge the shards. Revisions come from a hybrid logical clock, which orders the
// changes of all shards: a change comes after every change that its writer could have seen through this engine.
// Between engines, the order is as accurate as the clocks of the nodes.
//
// Replication is asynchronous: a primary that fails can lose writes that it acknowledged, and its counter goes back
// with them. So each shard has an epoch, which changes with every new primary. No version or resume token from an old
// epoch matches anything in a new one. Revisions go on growing, because they are never behind the clock of the primary,
// unless that clock is behind the earlier primary's by more than the time since the write that was lost.
package redis

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"key-value/internal/follow/tlsfiles"
	"key-value/kvservice/store"
	"key-value/kvservice/store/clock"
)

// Options configure an engine. Only Addresses is required.
type Options struct {
	Addresses []string // host:port of some nodes, from which the others are discovered
	TLS       bool
	// Authorities are the certificate authorities of the nodes. Nil: the system's.
	Authorities *tlsfiles.Authorities
	Username    string
	Password    string
	Database    int // number of a single node's database
	// Shards is the number of shards. It is fixed when the first engine opens the data; a different number is an
	// error afterwards. Zero: the existing number, or DefaultShards for new data.
	Shards int
	// HistoryBytes limits the changes that are kept for watches to resume from, in bytes, for all shards together.
	// Zero: 64 MiB.
	HistoryBytes int64
}

const defaultHistoryBytes = 64 << 20

// Engine is a [store.Engine] in Redis or Valkey. Create one with [Open].
type Engine struct {
	client      rueidis.Client
	shards      []shard
	historyText string // limit of a shard's stream in bytes, as an argument of functions
	clock       *clock.Clock
	run         string // identifies this run
	dispatcher  *dispatcher
	seen        atomic.Uint64 // the highest revision seen so far
	hits        atomic.Int64
	misses      atomic.Int64
	watches     atomic.Int64

	ctx     context.Context // done when the engine is closed
	cancel  context.CancelFunc
	workers sync.WaitGroup
}

var _ store.Engine = (*Engine)(nil)

// Open connects to the nodes and loads the functions.
func Open(ctx context.Context, o Options) (*Engine, error) {
	client, err := connect(o)
	if err != nil {
		return nil, err
	}
	e := &Engine{client: client, clock: clock.New(), run: rand.Text()}
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

// prepare checks the nodes and sets up what they lack.
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
	e.readClocks(ctx)
	return nil
}

// readClocks finds out how the clocks of the shards are set. Later polls follow them.
func (e *Engine) readClocks(ctx context.Context) {
	at := e.clock.Read()
	requests := make([]pollRequest, len(e.shards))
	for i := range requests {
		e.shards[i].clock.Observe(at, at, at.Wall(at.Now))
		requests[i].shard = i
	}
	e.poll(ctx, requests) // a shard that does not answer is taken to have our time
}

// shardsKey is the Redis key of the number of shards.
const shardsKey = "kv.shards"

// agreeOnShards returns the number of shards. If there is no data yet, it stores the number that is wanted.
func (e *Engine) agreeOnShards(ctx context.Context, wanted int) (int, error) {
	if wanted < 0 || wanted > maxShards {
		return 0, fmt.Errorf("invalid number of shards %d: want 1 to %d", wanted, maxShards)
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
		return 0, fmt.Errorf("the data has %d shards, not %d: omit the number, or move the data to a new store", n, wanted)
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

// observe records a revision, so that later writes through this engine get higher ones.
func (e *Engine) observe(revision uint64) {
	for {
		seen := e.seen.Load()
		if revision <= seen || e.seen.CompareAndSwap(seen, revision) {
			return
		}
	}
}

func (e *Engine) seenText() string { return strconv.FormatUint(e.seen.Load(), 10) }

// closed replaces an error that results from closing the engine with [store.ErrClosed].
func (e *Engine) closed(err error) error {
	if err != nil && (e.ctx.Err() != nil || errors.Is(err, rueidis.ErrClosing)) {
		return store.ErrClosed
	}
	return err
}

// Stats returns approximate statistics of the data, and of what this engine did. MemoryBytes is the size of the data
// that the primaries report, without the changes that are kept for watches.
func (e *Engine) Stats(ctx context.Context) (store.Stats, error) {
	at := e.clock.Read()
	stats := store.Stats{
		Hits: e.hits.Load(), Misses: e.misses.Load(), Watchers: e.watches.Load(),
		StartTime: at.Wall(0), Uptime: time.Duration(at.Now), Run: e.run,
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
	stats.Guarantees.Durability = durability[stats.Guarantees.Durable]
	return stats, e.closed(err)
}

// durability says in words what a crash takes, by whether all primaries have an append-only file.
var durability = map[bool]string{
	true:  "what Redis loses: every primary has an append-only file, its appendfsync is the bound",
	false: "what Redis loses: all since its last snapshot, because a primary has no append-only file",
}

// count adds the counts of all shards to stats.
func (e *Engine) count(ctx context.Context, stats *store.Stats) error {
	parts := make([]part, len(e.shards))
	for i := range e.shards {
		parts[i].call = call{function: "count", keys: e.shards[i].fixed}
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
