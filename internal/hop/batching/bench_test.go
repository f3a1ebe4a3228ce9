package batching_test

import (
	"context"
	"log/slog"
	"testing"

	"connectrpc.com/connect/v2"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/hop/batching"
	"key-value/internal/server/rpc"
	"key-value/kvservice"
	"key-value/kvservice/store/memory"
)

// BenchmarkGet measures one call by itself, and calls from 64 goroutines per processor, which share batches.
func BenchmarkGet(b *testing.B) {
	engine := memory.New(memory.Options{})
	defer engine.Close()
	server := rpc.NewServer(kvservice.New(engine, kvservice.Config{}), rpc.Config{
		Ready: func(context.Context) bool { return true }, Log: slog.New(slog.DiscardHandler),
	})
	kv := keyvaluev1connect.NewKeyValueServiceClient(connect.NewClient(batching.New(rpc.InProcess(server), nil)))
	if _, err := kv.Set(b.Context(), &keyvaluev1.SetRequest{Key: "a", Content: &keyvaluev1.SetRequest_Value{Value: "1"}}); err != nil {
		b.Fatal(err)
	}
	get := func(b *testing.B) {
		if _, err := kv.Get(b.Context(), &keyvaluev1.GetRequest{Key: "a"}); err != nil {
			b.Error(err)
		}
	}
	b.Run("alone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			get(b)
		}
	})
	b.Run("together", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(64)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				get(b)
			}
		})
	})
}
