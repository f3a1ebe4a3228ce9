// Package kvservice implements keyvalue.v1.KeyValueService over a storage engine.
//
// It validates requests against the limits of the contract, translates between messages and engine operations, and gives
// every failure its reason.
package kvservice

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/admission"
	"key-value/internal/contract"
	"key-value/kvservice/keystats"
	"key-value/kvservice/store"
)

// Config configures a Service.
type Config struct {
	// MaxValueBytes is the maximum length of a value, in bytes. Zero means 1 MiB.
	MaxValueBytes int
	// Stopping is done when the service stops, which ends its watches. Nil means that only callers end them.
	Stopping context.Context // it outlives every call
	// Limiter rejects calls under load, except GetStats, which reports the state of the service. Nil means no limit.
	Limiter *admission.Limiter
	// SampleEvery is the interval between samples of the statistics, of which GetStats returns the last 180. Zero means
	// that none are taken.
	SampleEvery time.Duration
	// Keys records which keys are read and written most, and which calls are slowest, for GetKeyStats. Nil means that this is
	// not recorded.
	Keys *keystats.Recorder
}

// Service implements [keyvaluev1connect.KeyValueServiceHandler].
type Service struct {
	engine        store.Engine
	maxValueBytes int
	stopping      context.Context // it outlives every call
	limiter       *admission.Limiter
	history       *history           // nil: no samples are taken
	keys          *keystats.Recorder // nil: nothing is recorded
}

var _ keyvaluev1connect.KeyValueServiceHandler = (*Service)(nil)

// New returns a service that stores its entries in engine. If it takes samples, close it before the engine.
func New(engine store.Engine, cfg Config) *Service {
	s := &Service{engine: engine, maxValueBytes: cfg.MaxValueBytes, stopping: cfg.Stopping, limiter: cfg.Limiter, keys: cfg.Keys}
	if s.maxValueBytes == 0 {
		s.maxValueBytes = contract.DefaultValueBytes
	}
	if s.stopping == nil {
		s.stopping = context.Background()
	}
	if cfg.SampleEvery > 0 {
		s.history = newHistory(engine, cfg.SampleEvery)
	}
	return s
}

// Close stops taking samples.
func (s *Service) Close() {
	if s.history != nil {
		s.history.close()
	}
}

// Get implements the RPC.
func (s *Service) Get(ctx context.Context, req *keyvaluev1.GetRequest) (*keyvaluev1.GetResponse, error) {
	return call(ctx, s, "Get", req, (*Service).readGet, writeGet)
}

// Set implements the RPC.
func (s *Service) Set(ctx context.Context, req *keyvaluev1.SetRequest) (*keyvaluev1.SetResponse, error) {
	return call(ctx, s, "Set", req, (*Service).readSet, writeSet)
}

// Delete implements the RPC.
func (s *Service) Delete(ctx context.Context, req *keyvaluev1.DeleteRequest) (*keyvaluev1.DeleteResponse, error) {
	return call(ctx, s, "Delete", req, (*Service).readDelete, writeDelete)
}

// Touch implements the RPC.
func (s *Service) Touch(ctx context.Context, req *keyvaluev1.TouchRequest) (*keyvaluev1.TouchResponse, error) {
	return call(ctx, s, "Touch", req, (*Service).readTouch, writeTouch)
}

// Increment implements the RPC.
func (s *Service) Increment(
	ctx context.Context, req *keyvaluev1.IncrementRequest,
) (*keyvaluev1.IncrementResponse, error) {
	return call(ctx, s, "Increment", req, (*Service).readIncrement, writeIncrement)
}

// GetStats implements the RPC.
func (s *Service) GetStats(ctx context.Context, req *keyvaluev1.GetStatsRequest) (*keyvaluev1.GetStatsResponse, error) {
	stats, err := s.engine.Stats(ctx)
	if err != nil {
		return nil, failure("", err)
	}
	res := &keyvaluev1.GetStatsResponse{
		Keys:           stats.Keys,
		MemoryBytes:    stats.MemoryBytes,
		MaxMemoryBytes: stats.MaxMemory,
		Hits:           stats.Hits,
		Misses:         stats.Misses,
		Expirations:    stats.Expirations,
		Evictions:      stats.Evictions,
		Watchers:       stats.Watchers,
		StartTime:      timestamppb.New(stats.StartTime),
		Uptime:         durationpb.New(stats.Uptime),
		Run:            stats.Run,
		Guarantees: &keyvaluev1.Guarantees{
			Engine:                     stats.Guarantees.Engine,
			Linearizable:               stats.Guarantees.Linearizable,
			LinearizableAcrossFailover: stats.Guarantees.LinearizableAcrossFailover,
			AtomicAcrossKeys:           stats.Guarantees.AtomicAcrossKeys,
			Durable:                    stats.Guarantees.Durable,
			Durability:                 stats.Guarantees.Durability,
		},
	}
	if req.GetHistory() && s.history != nil {
		res.History = s.history.messages()
	}
	return res, nil
}

// GetCaller implements the RPC. Only a gateway knows the API keys of callers, and answers it without calling the service.
func (s *Service) GetCaller(context.Context, *keyvaluev1.GetCallerRequest) (*keyvaluev1.GetCallerResponse, error) {
	return nil, contract.Unimplemented.Errorf("a kvservice does not know API keys: call GetCaller of a gateway")
}

// CreateTicket implements the RPC. Like GetCaller, it is answered by the gateway.
func (s *Service) CreateTicket(context.Context, *keyvaluev1.CreateTicketRequest) (*keyvaluev1.CreateTicketResponse, error) {
	return nil, contract.Unimplemented.Errorf("a kvservice does not know API keys: call CreateTicket of a gateway")
}

// call carries out one operation: it reads it from its request, has the engine do it, and writes its response.
func call[Request, Response any](
	ctx context.Context, s *Service, method string, req *Request,
	read func(*Service, *Request) (store.Operation, error), write func(store.Result) *Response,
) (*Response, error) {
	if err := s.limiter.Acquire(ctx); err != nil {
		return nil, err
	}
	defer s.limiter.Release(ctx)
	op, err := read(s, req)
	if err != nil {
		return nil, err
	}
	start := s.keys.Start()
	s.keys.Record(recorded(op))
	result, err := s.engine.Do(ctx, op)
	if err != nil {
		err = failure(op.Key, err)
	}
	s.ended(ctx, start, method, op.Key, 1, err)
	if err != nil {
		return nil, err
	}
	return write(result), nil
}
