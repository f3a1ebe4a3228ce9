package main

import (
	"context"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/test/bench/dataset"
	"key-value/test/bench/load"
)

// read is the entry that gRPC calls read: h2load sends the same bytes each time.
const read = 42

// getCall reads an entry of our store, or of the service in asbuilt.
func getCall(headers ...string) load.Call {
	return load.Call{
		Procedure: keyvaluev1connect.KeyValueServiceGetProcedure,
		Message:   marshal(&keyvaluev1.GetRequest{Key: dataset.Key(read)}),
		Headers:   headers,
		Contains:  dataset.Value(read),
	}
}

func rangeCall() load.Call {
	return load.Call{
		Procedure: "/etcdserverpb.KV/Range",
		Message:   marshal(&pb.RangeRequest{Key: []byte(dataset.Key(read))}),
		Contains:  dataset.Value(read),
	}
}

func marshal(message proto.Message) []byte {
	data, err := proto.Marshal(message)
	if err != nil {
		panic(err) // the messages of this package are valid
	}
	return data
}

// grpc measures unary reads over gRPC.
func (b *bench) grpc(ctx context.Context) ([]outcome, error) {
	var comparisons []comparison
	for _, f := range b.calls {
		c := comparison{scenario: grpcGet, setting: f.String(), unit: "calls/s"}
		c.contenders = b.grpcContenders(f)
		comparisons = append(comparisons, c)
	}
	return b.compare(ctx, comparisons)
}

func (b *bench) grpcContenders(f inFlight) []contender {
	ours := b.grpcContender(kvservice, kvservice, getCall(), f)
	if b.before != "" {
		return []contender{ours, b.grpcContender(before(kvservice), before(kvservice), getCall(), f)}
	}
	all := []contender{
		ours,
		b.grpcContender(oneProcess, oneProcess, getCall("x-api-key: "+apiKey), f),
		b.grpcContender(grpcGo, grpcGo, getCall(), f),
		b.grpcContender(etcd, etcd, rangeCall(), f),
	}
	if f.calls == 1 {
		all = append(all, b.redisContender(redis, load.RedisTest{
			Command: "get", Connections: f.connections, Pipeline: 1, Keys: 1,
		}))
	}
	return all
}

func (b *bench) grpcContender(name, server string, call load.Call, f inFlight) contender {
	return contender{
		name: name,
		prepare: func(ctx context.Context) error {
			if err := load.Installed("h2load"); err != nil {
				return err
			}
			addr, err := b.servers.addr(ctx, server)
			if err != nil {
				return err
			}
			return call.Check(ctx, addr)
		},
		measure: func(ctx context.Context, _ int, d time.Duration) (sample, error) {
			addr, err := b.servers.addr(ctx, server)
			if err != nil {
				return sample{}, err
			}
			return b.servers.metered(server, func() (load.Result, error) {
				return load.H2Load(ctx, addr, call, f.connections, f.calls, d)
			})
		},
	}
}

// redisContender measures a Redis over its own protocol.
func (b *bench) redisContender(server string, test load.RedisTest) contender {
	return contender{
		name: server,
		prepare: func(ctx context.Context) error {
			if err := load.Installed("redis-benchmark"); err != nil {
				return err
			}
			_, err := b.servers.addr(ctx, server)
			return err
		},
		measure: func(ctx context.Context, _ int, d time.Duration) (sample, error) {
			addr, err := b.servers.addr(ctx, server)
			if err != nil {
				return sample{}, err
			}
			return b.servers.metered(server, func() (load.Result, error) { return load.Redis(ctx, addr, test, d) })
		},
	}
}

const (
	// batchSize is the number of operations in a batch.
	batchSize = 32
	// batchesInFlight is the number of concurrent batches.
	batchesInFlight = 64
)

// batchCall carries out batchSize operations in one call, each on its own key.
func batchCall(operation func(i int) *keyvaluev1.Operation, contains string) load.Call {
	req := &keyvaluev1.BatchRequest{}
	for i := range batchSize {
		req.Operations = append(req.Operations, operation(i))
	}
	return load.Call{
		Procedure: keyvaluev1connect.KeyValueServiceBatchProcedure, Message: marshal(req), Contains: contains,
	}
}

func getOperation(i int) *keyvaluev1.Operation {
	return &keyvaluev1.Operation{Operation: &keyvaluev1.Operation_Get{Get: &keyvaluev1.GetRequest{Key: dataset.Key(i)}}}
}

func setOperation(i int) *keyvaluev1.Operation {
	return &keyvaluev1.Operation{Operation: &keyvaluev1.Operation_Set{Set: &keyvaluev1.SetRequest{
		Key: dataset.Key(i), Content: &keyvaluev1.SetRequest_Value{Value: dataset.Value(i)},
	}}}
}

// batches measures operations in batches of 32. Both sides have equally many batches in flight, and use 32 keys.
func (b *bench) batches(ctx context.Context) ([]outcome, error) {
	return b.compare(ctx, []comparison{
		b.batchComparison(batchGet, "get", batchCall(getOperation, dataset.Value(batchSize-1))),
		b.batchComparison(batchSet, "set", batchCall(setOperation, dataset.Key(batchSize-1))),
	})
}

func (b *bench) batchComparison(scenario, command string, call load.Call) comparison {
	few := inFlight{8, batchesInFlight / 8}
	c := comparison{scenario: scenario, setting: inFlight64, unit: "operations/s"}
	c.contenders = []contender{b.batchContender(fewConnections, kvservice, call, few)}
	if b.before != "" {
		c.contenders = append(c.contenders, b.batchContender(before(fewConnections), before(kvservice), call, few))
		return c
	}
	c.contenders = append(c.contenders,
		b.batchContender(manyConnections, kvservice, call, inFlight{batchesInFlight, 1}),
		b.redisContender(redis, load.RedisTest{
			Command: command, Connections: batchesInFlight, Pipeline: batchSize, Keys: batchSize,
		}))
	return c
}

func (b *bench) batchContender(name, server string, call load.Call, f inFlight) contender {
	c := b.grpcContender(name, server, call, f)
	measure := c.measure
	c.measure = func(ctx context.Context, round int, d time.Duration) (sample, error) {
		calls, err := measure(ctx, round, d)
		return sample{rate: calls.rate * batchSize, cpu: calls.cpu / batchSize}, err
	}
	return c
}
