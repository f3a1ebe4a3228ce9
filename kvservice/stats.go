package kvservice

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	keyvaluev1 "key-value/gen/keyvalue/v1"
)

// GetStats implements the RPC.
func (s *Service) GetStats(ctx context.Context, _ *keyvaluev1.GetStatsRequest) (*keyvaluev1.GetStatsResponse, error) {
	stats, err := s.engine.Stats(ctx)
	if err != nil {
		return nil, failure("", err)
	}
	return &keyvaluev1.GetStatsResponse{
		Keys:           stats.Keys,
		MemoryBytes:    stats.MemoryBytes,
		MaxMemoryBytes: stats.MaxMemory,
		Hits:           stats.Hits,
		Misses:         stats.Misses,
		Expirations:    stats.Expirations,
		Evictions:      stats.Evictions,
		Watchers:       stats.Watchers,
		StartTime:      timestamppb.New(stats.StartTime),
		Uptime:         durationpb.New(time.Since(stats.StartTime)),
		Guarantees: &keyvaluev1.Guarantees{
			Engine:                     stats.Guarantees.Engine,
			Linearizable:               stats.Guarantees.Linearizable,
			LinearizableAcrossFailover: stats.Guarantees.LinearizableAcrossFailover,
			AtomicAcrossKeys:           stats.Guarantees.AtomicAcrossKeys,
			Durable:                    stats.Guarantees.Durable,
		},
	}, nil
}
