package gateway_test

import (
	"context"
	"testing"

	"key-value/gateway"
	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/admission"
	"key-value/internal/auth"
	"key-value/internal/contract"
	"key-value/internal/server/rpc"
	"key-value/internal/testkit/wiretest"
	"key-value/kvservice/store"
)

// stuck is an engine that announces each list, and blocks until the caller cancels it.
type stuck struct {
	store.Engine
	began chan struct{}
}

func (s stuck) List(ctx context.Context, _ store.ListRequest) (store.Page, error) {
	s.began <- struct{}{}
	<-ctx.Done()
	return store.Page{}, ctx.Err()
}

// eachBound runs test over each wire, against a gateway for each place that bounds calls. Its keys are greedy and modest.
func eachBound(
	t *testing.T, cfg admission.Config, test func(*testing.T, stuck, func(id string) keyvaluev1connect.KeyValueServiceClient),
) {
	for where, transport := range limited {
		for _, wire := range wiretest.Wires() {
			t.Run(where+" "+wire.Name, func(t *testing.T) {
				t.Parallel()
				engine, keys := stuck{newEngine(t), make(chan struct{})}, newKeyring(t)
				keys.add("greedy", "", read|write)
				keys.add("modest", "", read|write)
				url := keys.start(transport(t, engine, admission.New(cfg)))
				test(t, engine, func(id string) keyvaluev1connect.KeyValueServiceClient {
					return wire.Dial(t, url, keys.header(id)...)
				})
			})
		}
	}
}

// begin makes a call, which runs until ctx ends, and returns its error if it is rejected.
func (s stuck) begin(ctx context.Context, kv keyvaluev1connect.KeyValueServiceClient) error {
	rejected := make(chan error, 1)
	go func() {
		_, err := kv.List(ctx, &keyvaluev1.ListRequest{})
		rejected <- err
	}()
	select {
	case err := <-rejected:
		return err
	case <-s.began:
		return nil
	}
}

func TestOneKeyCannotTakeAllCalls(t *testing.T) {
	t.Parallel()
	eachBound(t, admission.Config{Calls: 16}, func(
		t *testing.T, engine stuck, dial func(string) keyvaluev1connect.KeyValueServiceClient,
	) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		greedy, n := dial("greedy"), 0
		var err error
		for ; err == nil; n++ {
			err = engine.begin(ctx, greedy)
		}
		if n-1 != 12 || contract.ReasonOf(err) != contract.Overloaded {
			t.Errorf("one key made %d calls, and then got %v; want 12 of 16, and OVERLOADED", n-1, err)
		}
		if err := engine.begin(ctx, dial("modest")); err != nil {
			t.Errorf("a call of another key = %v, want it to be made", err)
		}
	})
}

func TestOneKeyCannotTakeAllWatches(t *testing.T) {
	t.Parallel()
	eachBound(t, admission.Config{Watches: 16}, func(
		t *testing.T, _ stuck, dial func(string) keyvaluev1connect.KeyValueServiceClient,
	) {
		open := func(kv keyvaluev1connect.KeyValueServiceClient) error {
			stream, err := kv.Watch(t.Context(), &keyvaluev1.WatchRequest{Target: &keyvaluev1.WatchRequest_Prefix{}})
			if err != nil {
				return err
			}
			t.Cleanup(func() { _ = stream.Close() })
			_, err = stream.Receive()
			return err
		}
		greedy, n := dial("greedy"), 0
		var err error
		for ; err == nil; n++ {
			err = open(greedy)
		}
		if n-1 != 12 || contract.ReasonOf(err) != contract.Overloaded {
			t.Errorf("one key opened %d watches, and then got %v; want 12 of 16, and OVERLOADED", n-1, err)
		}
		if err := open(dial("modest")); err != nil {
			t.Errorf("a watch of another key = %v, want it to open", err)
		}
	})
}

func TestTheOnlyKeyMayMakeAllCalls(t *testing.T) {
	t.Parallel()
	keys := auth.Single("default", apiKey)
	engine := stuck{newEngine(t), make(chan struct{})}
	url := start(t, rpc.InProcess(limitedService(engine, admission.New(admission.Config{Calls: 16, Sole: keys.Sole}))),
		func(c *gateway.Config) { c.Keys = keys })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	kv := wiretest.Wires()[0].Dial(t, url, "x-api-key", apiKey)
	for i := range 16 {
		if err := engine.begin(ctx, kv); err != nil {
			t.Fatalf("call %d of 16 = %v", i+1, err)
		}
	}
}
