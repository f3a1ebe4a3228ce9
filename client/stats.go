package client

import (
	"context"
	"time"

	keyvaluev1 "key-value/gen/keyvalue/v1"
)

// Stats is what the store holds, and what it did since it was started.
type Stats struct {
	Keys           int64         // the entries there are; expired ones do not count
	MemoryBytes    int64         // what they take in memory, with the structures that hold them
	MaxMemoryBytes int64         // what MemoryBytes may reach; zero: no limit
	Hits           int64         // reads that found their key
	Misses         int64         // reads that did not
	Expirations    int64         // entries removed because their TTL had elapsed
	Evictions      int64         // entries removed to make room
	Watchers       int64         // watches that are open
	StartTime      time.Time     // when the store was started
	Uptime         time.Duration // how long ago that was
	Guarantees     Guarantees
}

// Guarantees is what the engine behind the store promises.
type Guarantees struct {
	Engine                     string // the engine's name, such as "memory"
	Linearizable               bool   // single keys and atomic batches, while no node fails
	LinearizableAcrossFailover bool   // also when a node fails, with no acknowledged write lost
	AtomicAcrossKeys           bool   // an atomic batch may hold any keys
	Durable                    bool   // entries outlive a restart of the engine
}

// Stats describes the store at this moment.
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
	}
}
