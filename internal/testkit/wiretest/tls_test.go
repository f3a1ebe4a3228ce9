package wiretest_test

import (
	"context"
	"log/slog"
	"net/http"
	"testing"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
	"key-value/internal/server/rpc"
	"key-value/internal/testkit/wiretest"
	"key-value/kvservice"
	"key-value/kvservice/store/memory"
)

func TestEveryWireCarriesCallsAndStreamsOverTLS(t *testing.T) {
	engine := memory.New(memory.Options{})
	t.Cleanup(func() { _ = engine.Close() })
	server := rpc.NewServer(kvservice.New(engine, kvservice.Config{}), rpc.Config{
		Ready: func(context.Context) bool { return true }, Log: slog.New(slog.DiscardHandler),
	})
	url := wiretest.ServeTLS(t, rpc.Mount(server, contract.DefaultValueBytes, http.NotFoundHandler()), server)
	for _, wire := range wiretest.Wires() {
		t.Run(wire.Name, func(t *testing.T) {
			kv, key := wire.Dial(t, url), wire.Name
			stream, err := kv.Watch(t.Context(), &keyvaluev1.WatchRequest{
				Target: &keyvaluev1.WatchRequest_Key{Key: key}, Snapshot: true,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer stream.Close()
			if res, err := stream.Receive(); err != nil || res.GetEvent().GetType() != keyvaluev1.Event_TYPE_SYNC {
				t.Fatalf("first event = %v, %v; want SYNC", res, err)
			}
			req := &keyvaluev1.SetRequest{Key: key, Content: &keyvaluev1.SetRequest_Value{Value: "value"}}
			if _, err := kv.Set(t.Context(), req); err != nil {
				t.Fatal(err)
			}
			if res, err := kv.Get(t.Context(), &keyvaluev1.GetRequest{Key: key}); err != nil || res.GetEntry().GetValue() != "value" {
				t.Errorf("Get = %v, %v", res, err)
			}
			if res, err := stream.Receive(); err != nil || res.GetEvent().GetEntry().GetValue() != "value" {
				t.Errorf("next event = %v, %v", res, err)
			}
		})
	}
}
