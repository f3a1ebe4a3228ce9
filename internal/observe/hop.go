package observe

import (
	"context"
	"time"

	"connectrpc.com/connect/v2"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/observe/calls"
)

// Hop returns a transport over next that measures the requests of a gateway to its service. It belongs below the
// transport that batches calls, so that each request is one on the wire.
func (m *Metrics) Hop(next connect.Transport) connect.Transport { return hop{m, next} }

type hop struct {
	metrics *Metrics
	next    connect.Transport
}

func (h hop) NewClientStream(ctx context.Context, spec connect.Spec) (connect.ClientStream, error) {
	start := time.Now()
	end := func(err error) {
		info, _ := connect.CallInfoForClientContext(ctx)
		h.metrics.sentRequests.observe(call{info.Protocol, spec.Procedure, calls.CodeOf(err)}, time.Since(start))
	}
	return calls.Open(ctx, h.next, spec, h.sent, end)
}

func (h hop) sent(message any) {
	if batch, ok := message.(*keyvaluev1.BatchRequest); ok {
		h.metrics.hopBatches.Observe(float64(len(batch.GetOperations())))
	}
}
