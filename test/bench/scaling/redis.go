package main

import (
	"context"
	"errors"
	"time"

	"key-value/test/bench/dataset"
	"key-value/test/bench/load"
)

var errNoLibrary = errors.New("FUNCTION LIST does not name exactly one library")

const (
	// redisConnections and pipeline give as many concurrent operations as eight batches.
	redisConnections = 64
	pipeline         = 32
	// fillRounds is how often each key is written on average when nodes are filled by redis-benchmark.
	fillRounds = 6
	// fillPatience is how long filling may take.
	fillPatience = 2 * time.Minute
)

// random stands for a number of 12 digits, and {tag} in keys for a hash tag of the node.
const random = "__rand_int__"

// plainGet reads an entry that functionSet has written.
func plainGet(string) []string { return []string{"GET", "{tag}ekey:" + random} }

// shardKeys are the keys of every function, as functions.lua names them.
var shardKeys = []string{"{tag}m", "{tag}i", "{tag}d", "{tag}s", "{tag}t"}

// functionSet is the service's call that sets an entry: without precondition and TTL, with the bytes of changes that
// one of 64 shards keeps of 64 MiB.
func functionSet(library string) []string {
	words := append([]string{"FCALL", library + "_apply", "6"}, shardKeys...)
	return append(words, "{tag}ekey:"+random, "0", "1048576", "0", "s", "", "0", dataset.Value(0))
}

// functionPoll is the service's call that follows a shard, when nothing has changed.
func functionPoll(library string) []string {
	words := append([]string{"FCALL", library + "_poll", "5"}, shardKeys...)
	return append(words, "0", "9007199254740991", "256", "100")
}

// fillNodes writes the entries that redis-benchmark reads and overwrites.
func (s *site) fillNodes(ctx context.Context, entries int) error {
	ctx, cancel := context.WithTimeoutCause(ctx, fillPatience, errors.New("redis-benchmark did not end in time"))
	defer cancel()
	_, err := s.redis(functionSet(s.library), entries).Run(ctx, s.nodes.Nodes()[0].Addr(), fillRounds*entries)
	return err
}

// redis is a test whose entries are spread over the primaries.
func (s *site) redis(words []string, entries int) load.RedisTest {
	return load.RedisTest{
		Words: words, Cluster: s.config.Primaries > 0, Connections: redisConnections, Pipeline: pipeline,
		Keys: entries / max(1, s.config.Primaries),
	}
}

// tryout is the number of calls of a first run, from whose rate the number for the real run follows.
const tryout = 20_000

// askRedis measures a call with redis-benchmark.
func askRedis(words func(library string) []string) measurement {
	return func(ctx context.Context, b *bench, s *site, _ int, d time.Duration) (sample, error) {
		test, addr := s.redis(words(s.library), b.entries), s.nodes.Nodes()[0].Addr()
		rate, err := test.Run(ctx, addr, tryout)
		if err != nil {
			return sample{}, err
		}
		calls := max(tryout, int(rate*d.Seconds()))
		return s.metered(func() (sample, error) {
			rate, err := test.Run(ctx, addr, calls)
			return sample{rate: rate, operations: float64(calls)}, err
		})
	}
}
