package main

import (
	"context"
	"time"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/test/bench/dataset"
	"key-value/test/bench/load"
)

const (
	// batchSize is how many operations a batch has.
	batchSize = 32
	// batchesInFlight is how many batches are under way at a time.
	batchesInFlight = 64
)

// batchCall carries out batchSize operations in one call, each on another key.
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

// batches measures operations that travel 32 at a time. Both sides have as many batches in flight, and use 32 keys.
func (b *bench) batches(ctx context.Context) ([]outcome, error) {
	return b.play(ctx, []cell{
		b.batchCell(batchGet, "get", batchCall(getOperation, dataset.Value(batchSize-1))),
		b.batchCell(batchSet, "set", batchCall(setOperation, dataset.Key(batchSize-1))),
	})
}

func (b *bench) batchCell(scenario, command string, call load.Call) cell {
	return cell{scenario: scenario, setting: inFlight64, unit: "operations/s", contenders: []contender{
		b.batchContender(fewConnections, call, inFlight{8, batchesInFlight / 8}),
		b.batchContender(manyConnections, call, inFlight{batchesInFlight, 1}),
		b.redisContender(redis, load.RedisTest{
			Command: command, Connections: batchesInFlight, Pipeline: batchSize, Keys: batchSize,
		}),
	}}
}

func (b *bench) batchContender(name string, call load.Call, f inFlight) contender {
	c := b.grpcContender(name, kvservice, call, f)
	measure := c.measure
	c.measure = func(ctx context.Context, round int, d time.Duration) (float64, error) {
		calls, err := measure(ctx, round, d)
		return calls * batchSize, err
	}
	return c
}
