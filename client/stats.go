package client

import (
	"context"
	"time"

	keyvaluev1 "key-value/gen/keyvalue/v1"
)

// Stats describes the contents of the store, and what happened since it was started.
type Stats struct {
	Keys           int64         // number of entries, not counting expired ones
	MemoryBytes    int64         // memory used by the entries and the data structures around them
	MaxMemoryBytes int64         // limit of MemoryBytes; zero means no limit
	Hits           int64         // reads that found their key
	Misses         int64         // reads of a key that did not exist
	Expirations    int64         // entries removed because their TTL had elapsed
	Evictions      int64         // entries removed to make room
	Watchers       int64         // open watches
	StartTime      time.Time     // when the store was started, by its clock as it is set now
	Uptime         time.Duration // time since then; setting the clock does not change it
	Run            string        // identifies this run of the store; different after every start
	Guarantees     Guarantees
}

// Guarantees are the promises of the storage engine.
type Guarantees struct {
	Engine                     string // name of the engine, such as "memory"
	Linearizable               bool   // single keys and atomic batches, as long as no node fails
	LinearizableAcrossFailover bool   // even if a node fails; no acknowledged write is lost
	AtomicAcrossKeys           bool   // an atomic batch may contain any keys
	Durable                    bool   // entries survive a restart of the engine
	Durability                 string // what a crash or a power cut takes of what was acknowledged, in words
}

// StatsSample holds the statistics at one time in the past. Its fields mean the same as in [Stats].
type StatsSample struct {
	Age         time.Duration // how long ago the sample was taken; setting the clock does not change it
	Keys        int64
	MemoryBytes int64
	Hits        int64
	Misses      int64
}

// StatsHistory returns samples of the last 15 minutes, oldest first. The store takes one every 5 s, and none while its
// engine does not answer. Restarting it clears them.
func (c *Client) StatsHistory(ctx context.Context) ([]StatsSample, error) {
	s, err := call(ctx, &keyvaluev1.GetStatsRequest{History: true}, c.rpc.GetStats)
	if err != nil {
		return nil, err
	}
	samples := make([]StatsSample, len(s.GetHistory()))
	for i, sample := range s.GetHistory() {
		samples[i] = StatsSample{
			Age: sample.GetAge().AsDuration(), Keys: sample.GetKeys(), MemoryBytes: sample.GetMemoryBytes(),
			Hits: sample.GetHits(), Misses: sample.GetMisses(),
		}
	}
	return samples, nil
}

// Stats returns the current state of the store.
func (c *Client) Stats(ctx context.Context) (Stats, error) {
	s, err := call(ctx, &keyvaluev1.GetStatsRequest{}, c.rpc.GetStats)
	if err != nil {
		return Stats{}, err
	}
	return Stats{
		Keys:           s.GetKeys(),
		MemoryBytes:    s.GetMemoryBytes(),
		MaxMemoryBytes: s.GetMaxMemoryBytes(),
		Hits:           s.GetHits(),
		Misses:         s.GetMisses(),
		Expirations:    s.GetExpirations(),
		Evictions:      s.GetEvictions(),
		Watchers:       s.GetWatchers(),
		StartTime:      timeOf(s.GetStartTime()),
		Uptime:         s.GetUptime().AsDuration(),
		Run:            s.GetRun(),
		Guarantees:     newGuarantees(s.GetGuarantees()),
	}, nil
}

func newGuarantees(g *keyvaluev1.Guarantees) Guarantees {
	return Guarantees{
		Engine:                     g.GetEngine(),
		Linearizable:               g.GetLinearizable(),
		LinearizableAcrossFailover: g.GetLinearizableAcrossFailover(),
		AtomicAcrossKeys:           g.GetAtomicAcrossKeys(),
		Durable:                    g.GetDurable(),
		Durability:                 g.GetDurability(),
	}
}
