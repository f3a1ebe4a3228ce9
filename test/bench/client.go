package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"key-value/client"
	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/test/bench/dataset"
	"key-value/test/bench/load"
)

// callers is how many goroutines share a Go client.
const callers = 64

// getter reads an entry with a Go client.
type getter func(ctx context.Context, key string) (value string, err error)

// clients measures gets of a Go program whose goroutines share one client: our library, and grpc-go's with what a generated
// stub does. Both call the same kvservice, in this process.
func (b *bench) clients(ctx context.Context) ([]outcome, error) {
	if b.before != "" {
		return nil, nil
	}
	c := comparison{scenario: clientGet, setting: count(callers, "goroutine"), unit: "calls/s"}
	c.contenders = []contender{b.clientContender(library, newLibrary), b.clientContender(grpcClient, newGRPCClient)}
	return b.compare(ctx, []comparison{c})
}

func (b *bench) clientContender(name string, dial func(addr string) (getter, func(), error)) contender {
	return contender{
		name: name,
		prepare: func(ctx context.Context) error {
			_, err := b.servers.addr(ctx, kvservice)
			return err
		},
		measure: func(ctx context.Context, _ int, d time.Duration) (sample, error) {
			addr, err := b.servers.addr(ctx, kvservice)
			if err != nil {
				return sample{}, err
			}
			get, hangUp, err := dial(addr)
			if err != nil {
				return sample{}, err
			}
			defer hangUp()
			return b.servers.metered(kvservice, func() (load.Result, error) { return callAll(ctx, get, d) })
		},
	}
}

func newLibrary(addr string) (getter, func(), error) {
	kv, err := client.New("http://" + addr)
	if err != nil {
		return nil, nil, err
	}
	return func(ctx context.Context, key string) (string, error) {
		entry, err := kv.Get(ctx, key)
		return string(entry.Value), err
	}, kv.Close, nil
}

func newGRPCClient(addr string) (getter, func(), error) {
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, nil, err
	}
	return func(ctx context.Context, key string) (string, error) {
		var res keyvaluev1.GetResponse
		err := conn.Invoke(ctx, keyvaluev1connect.KeyValueServiceGetProcedure, &keyvaluev1.GetRequest{Key: key}, &res)
		return res.GetEntry().GetValue(), err
	}, func() { _ = conn.Close() }, nil
}

// callAll reads entries with all callers for d.
func callAll(ctx context.Context, get getter, d time.Duration) (load.Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var calls atomic.Int64
	var all sync.WaitGroup
	start := time.Now()
	for caller := range callers {
		all.Go(func() {
			n := 0
			for i := caller; time.Since(start) < d && ctx.Err() == nil; i = (i + callers) % dataset.Entries {
				value, err := get(ctx, dataset.Key(i))
				if err == nil && value != dataset.Value(i) {
					err = fmt.Errorf("get %s returned %.100q", dataset.Key(i), value)
				}
				if err != nil {
					cancel(err)
				}
				n++
			}
			calls.Add(int64(n))
		})
	}
	all.Wait()
	count := float64(calls.Load())
	return load.Result{PerSecond: count / time.Since(start).Seconds(), Count: count}, context.Cause(ctx)
}
