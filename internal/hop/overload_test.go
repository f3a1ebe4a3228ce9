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

func TestAGatewayPassesOverloadOn(t *testing.T) {
	for name, call := range calls {
		url, requests := flaky(t, failWith(contract.Overloaded.Errorf("x")))
		err := call(bounded(t), dial(t, url, forwarding))
		if contract.ReasonOf(err) != contract.Overloaded || requests.Load() != 1 {
			t.Errorf("%s took %d requests and ended with %v, want one and OVERLOADED", name, requests.Load(), err)
		}
	}
	url, requests := flaky(t, badGateway)
	if err := calls["Get"](bounded(t), dial(t, url, forwarding)); err != nil || requests.Load() != 2 {
		t.Errorf("for want of a service, Get took %d requests and ended with %v, want two and success", requests.Load(), err)
	}
}

// shedding refuses its first three batches without a look at them.
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

// A batch that was refused did nothing, so its writes are made again as its reads are, each by itself.
func TestOfABatchThatIsRefusedEverythingIsMadeAgain(t *testing.T) {
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
	wantCount(t, kv, "200") // none was made twice
}

// Of what shared a refused batch, each call gets the refusal as its own.
func TestEachCallOfARefusedBatchIsTold(t *testing.T) {
	service := &shedding{KeyValueServiceHandler: kvservice.New(newEngine(t), kvservice.Config{})}
	kv := dial(t, serve(t, service), forwarding)
	const n = 200
	errs := make(chan error, n)
	for range n {
		go func() { errs <- calls["Increment"](bounded(t), kv) }()
	}
	refused := int64(0)
	for range n {
		if err := <-errs; contract.ReasonOf(err) == contract.Overloaded {
			refused++
		} else if err != nil {
			t.Errorf("a call = %v", err)
		}
	}
	if refused == 0 || refused != service.shed.Load() {
		t.Errorf("%d calls were refused, want the %d of the batches that were", refused, service.shed.Load())
	}
}
