package main

import (
	"context"
	"fmt"
	"os"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/testkit/proc"
	"key-value/test/bench/dataset"
	"key-value/test/bench/load"
)

// When a log is synced: --fsync of our store, appendfsync of Redis.
const (
	always      = "always"
	everySecond = "1s" // everysec
	never       = "never"
)

// logged returns the name of a contender with a log that is synced in a mode.
func logged(contender, mode string) string { return contender + ", fsync " + mode }

// modes are the logs of our store and of Redis. Nothing tells of a lost write with one of the first alone; "" is without a log.
var (
	modes      = []string{always, everySecond, never, ""}
	redisModes = []string{always, everySecond}
)

// withMode returns the name of a contender in a mode of modes.
func withMode(contender, mode string) string {
	if mode == "" {
		return contender
	}
	return logged(contender, mode)
}

// startLogged starts a server with a log in a directory of its own, and fills it.
func (s *servers) startLogged(ctx context.Context, without, mode string) (*proc.Process, error) {
	dir, err := os.MkdirTemp(s.dir, "log")
	if err != nil {
		return nil, err
	}
	switch without {
	case oneProcess:
		return s.startStore(ctx, store, dataset.Entries, "serve", "--data-dir", dir, "--fsync", mode)
	case kvservice:
		return s.startStore(ctx, store, dataset.Entries, "kvservice", "--data-dir", dir, "--fsync", mode)
	case redis:
		return s.startRedis(ctx, dataset.Entries, "--dir", dir, "--appendonly", "yes", "--appendfsync", redisMode(mode))
	}
	return nil, fmt.Errorf("no log of %q", without)
}

// redisMode returns the value of appendfsync for a mode.
func redisMode(mode string) string {
	if mode == everySecond {
		return "everysec"
	}
	return mode
}

// durable measures sets in stores that have a log, on one disk.
func (b *bench) durable(ctx context.Context) ([]outcome, error) {
	if b.before != "" {
		return nil, nil
	}
	return b.compare(ctx, []comparison{b.loggedREST(), b.loggedGRPC(), b.loggedBatches()})
}

func (b *bench) loggedREST() comparison {
	var peers []restPeer
	for _, mode := range modes {
		name := withMode(oneProcess, mode)
		peers = append(peers, restPeer{name, name, ours})
	}
	for _, mode := range redisModes {
		peers = append(peers, restPeer{logged(webdis, mode), logged(webdis, mode), webdisDialect})
	}
	return b.restComparison(loggedSet, allEntries(true, callers, dataset.Entries), peers...)
}

func (b *bench) loggedGRPC() comparison {
	f := inFlight{callers, 1}
	c := comparison{scenario: loggedCall, setting: f.String(), unit: "calls/s"}
	for _, mode := range modes {
		name := withMode(kvservice, mode)
		c.contenders = append(c.contenders, b.grpcContender(name, name, setCall(), f))
	}
	for _, mode := range redisModes {
		c.contenders = append(c.contenders, b.redisContender(logged(redis, mode), load.RedisTest{
			Command: "set", Connections: callers, Pipeline: 1, Keys: 1,
		}))
	}
	return c
}

func (b *bench) loggedBatches() comparison {
	c := comparison{scenario: loggedBatch, setting: inFlight64, unit: "operations/s"}
	for _, mode := range modes {
		name := withMode(kvservice, mode)
		c.contenders = append(c.contenders,
			b.batchContender(name, name, batchCall(setOperation, dataset.Key(batchSize-1)), inFlight{8, batchesInFlight / 8}))
	}
	for _, mode := range redisModes {
		c.contenders = append(c.contenders, b.redisContender(logged(redis, mode), load.RedisTest{
			Command: "set", Connections: batchesInFlight, Pipeline: batchSize, Keys: batchSize,
		}))
	}
	return c
}

// setCall writes an entry of our store.
func setCall() load.Call {
	return load.Call{
		Procedure: keyvaluev1connect.KeyValueServiceSetProcedure,
		Message: marshal(&keyvaluev1.SetRequest{
			Key: dataset.Key(read), Content: &keyvaluev1.SetRequest_Value{Value: dataset.Value(read)},
		}),
		Contains: dataset.Key(read),
	}
}
