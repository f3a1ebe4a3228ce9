package hop_test

import (
	"context"
	"sync/atomic"
	"testing"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/contract"
	"key-value/kvservice"
)

func TestAGatewayDoesNotRetryOverload(t *testing.T) {
	t.Parallel()
	for name, call := range calls {
		url, requests := flaky(t, failWith(contract.Overloaded.Errorf("x")))
		err := call(bounded(t), dial(t, url, forwarding))
		if contract.ReasonOf(err) != contract.Overloaded || requests.Load() != 1 {
			t.Errorf("%s took %d requests and ended with %v, want 1 and OVERLOADED", name, requests.Load(), err)
		}
	}
	url, requests := flaky(t, badGateway)
	if err := calls["Get"](bounded(t), dial(t, url, forwarding)); err != nil || requests.Load() != 2 {
		t.Errorf("through a proxy without a service, Get took %d requests and ended with %v, want 2 and success", requests.Load(), err)
	}
}

// shedding rejects its first three batches without carrying them out.
type shedding struct {
	keyvaluev1connect.KeyValueServiceHandler
	batches, shed atomic.Int64
}

func (s *shedding) Batch(ctx context.Context, req *keyvaluev1.BatchRequest) (*keyvaluev1.BatchResponse, error) {
	if s.batches.Add(1) <= 3 {
		s.shed.Add(int64(len(req.GetOperations())))
		return nil, contract.Overloaded.Errorf("x")
	}
	return s.KeyValueServiceHandler.Batch(ctx, req)
}

// A rejected batch did nothing, so its writes are retried like its reads.
func TestEveryCallOfARejectedBatchIsRetried(t *testing.T) {
	t.Parallel()
	service := &shedding{KeyValueServiceHandler: kvservice.New(newEngine(t), kvservice.Config{})}
	kv := dial(t, serve(t, service), library)
	const n = 200
	errs := make(chan error, n)
	for range n {
		go func() { errs <- calls["Increment"](bounded(t), kv) }()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Errorf("a call = %v", err)
		}
	}
	if service.shed.Load() == 0 {
		t.Error("no call shared a request, so nothing was tested")
	}
	wantCount(t, kv, "200") // every Increment was applied exactly once
}

// Each call of a rejected batch fails as if it had been rejected by itself.
func TestEachCallOfARejectedBatchFails(t *testing.T) {
	t.Parallel()
	service := &shedding{KeyValueServiceHandler: kvservice.New(newEngine(t), kvservice.Config{})}
	kv := dial(t, serve(t, service), forwarding)
	const n = 200
	errs := make(chan error, n)
	for range n {
		go func() { errs <- calls["Increment"](bounded(t), kv) }()
	}
	rejected := int64(0)
	for range n {
		if err := <-errs; contract.ReasonOf(err) == contract.Overloaded {
			rejected++
		} else if err != nil {
			t.Errorf("a call = %v", err)
		}
	}
	if rejected == 0 || rejected != service.shed.Load() {
		t.Errorf("%d calls were rejected, want the %d in rejected batches", rejected, service.shed.Load())
	}
}
