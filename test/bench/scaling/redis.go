package main

import (
	"context"
	"errors"
	"time"

	"key-value/test/bench/dataset"
	"key-value/test/bench/load"
)

var errNoLibrary = errors.New("FUNCTION LIST names no library, or several")

const (
	// redisConnections and pipeline have as many calls under way as eight batches have.
	redisConnections = 64
	pipeline         = 32
	// fillRounds is how often, on average, each key is written when nodes are filled with redis-benchmark's own entries.
	fillRounds = 6
	// fillPatience is how long that may take.
	fillPatience = 2 * time.Minute
)

// random stands for a number of 12 digits, and {tag} in keys for a hash tag of the node.
const random = "__rand_int__"

// plainGet reads one of the entries that functionSet writes.
func plainGet(string) []string { return []string{"GET", "{tag}ekey:" + random} }

// shardKeys are the keys that every function takes, as functions.lua names them.
var shardKeys = []string{"{tag}m", "{tag}i", "{tag}d", "{tag}s", "{tag}t"}

// functionSet is the call that the service makes to set one entry: without precondition and TTL, with the bytes of
// changes that a shard of 64 keeps of 64 MiB.
func functionSet(library string) []string {
	words := append([]string{"FCALL", library + "_apply", "6"}, shardKeys...)
	return append(words, "{tag}ekey:"+random, "0", "1048576", "0", "s", "", "0", dataset.Value(0))
}

// functionPoll is the call that the service makes of each shard to follow or sweep it, when nothing has happened.
func functionPoll(library string) []string {
	words := append([]string{"FCALL", library + "_poll", "5"}, shardKeys...)
	return append(words, "0", "9007199254740991", "256", "100")
}

// fillNodes writes the entries that redis-benchmark is to read and to overwrite.
func (s *site) fillNodes(ctx context.Context, entries int) error {
	ctx, cancel := context.WithTimeoutCause(ctx, fillPatience, errors.New("redis-benchmark did not end in time"))
	defer cancel()
	_, err := s.redis(functionSet(s.library), entries).Run(ctx, s.nodes.Nodes()[0].Addr(), fillRounds*entries)
	return err
}

// redis is a test that spreads entries over the primaries.
func (s *site) redis(words []string, entries int) load.RedisTest {
	return load.RedisTest{
		Words: words, Cluster: s.config.Primaries > 0, Connections: redisConnections, Pipeline: pipeline,
		Keys: entries / max(1, s.config.Primaries),
	}
}

// tryout is how many calls say how many the time allows.
const tryout = 20_000

// askRedis has redis-benchmark make a call.
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
