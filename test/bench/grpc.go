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

// read is the entry that calls over gRPC read: h2load sends the same bytes each time.
const read = 42

// getCall reads an entry of a store of ours, or of what people build in its place.
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
		panic(err) // what is written down here is valid
	}
	return data
}

// grpc measures unary reads over gRPC.
func (b *bench) grpc(ctx context.Context) ([]outcome, error) {
	var cells []cell
	for _, f := range b.calls {
		c := cell{scenario: grpcGet, setting: f.String(), unit: "calls/s"}
		c.contenders = []contender{
			b.grpcContender(kvservice, kvservice, getCall(), f),
			b.grpcContender(oneProcess, oneProcess, getCall("x-api-key: "+apiKey), f),
			b.grpcContender(grpcGo, grpcGo, getCall(), f),
			b.grpcContender(etcd, etcd, rangeCall(), f),
		}
		if f.calls == 1 {
			c.contenders = append(c.contenders, b.redisContender(redis, load.RedisTest{
				Command: "get", Connections: f.connections, Pipeline: 1, Keys: 1,
			}))
		}
		cells = append(cells, c)
	}
	return b.play(ctx, cells)
}

func (b *bench) grpcContender(name, server string, call load.Call, f inFlight) contender {
	return contender{
		name: name,
		prepare: func(ctx context.Context) error {
			if err := load.Installed("h2load"); err != nil {
				return err
			}
			addr, err := b.stage.server(ctx, server)
			if err != nil {
				return err
			}
			return call.Check(ctx, addr)
		},
		measure: func(ctx context.Context, _ int, d time.Duration) (float64, error) {
			addr, err := b.stage.server(ctx, server)
			if err != nil {
				return 0, err
			}
			return load.H2Load(ctx, addr, call, f.connections, f.calls, d)
		},
	}
}

func (b *bench) redisContender(name string, test load.RedisTest) contender {
	return contender{
		name: name,
		prepare: func(ctx context.Context) error {
			if err := load.Installed("redis-benchmark"); err != nil {
				return err
			}
			_, err := b.stage.server(ctx, redis)
			return err
		},
		measure: func(ctx context.Context, _ int, d time.Duration) (float64, error) {
			addr, err := b.stage.server(ctx, redis)
			if err != nil {
				return 0, err
			}
			return load.Redis(ctx, addr, test, d)
		},
	}
}
