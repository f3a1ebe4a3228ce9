package observe

import (
	"context"
	"strings"
	"time"

	"connectrpc.com/connect/v2"
	"github.com/prometheus/client_golang/prometheus"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/observe/calls"
)

var callLabels = []string{"rpc_system_name", "rpc_method", "rpc_response_status_code"}

// call has the labels of an RPC, which identify a time series.
type call struct {
	protocol  string
	procedure string
	code      connect.Code // 0: success
}

func (c call) labels() []string {
	return []string{calls.System(c.protocol), strings.TrimPrefix(c.procedure, "/"), calls.StatusCode(c.code)}
}

// ServeCalls is a server interceptor that measures every call. It must be outside the interceptors that change the
// call's error.
func (m *Metrics) ServeCalls(next connect.ServerFunc) connect.ServerFunc {
	return func(ctx context.Context, spec connect.Spec, stream connect.ServerStream) error {
		start := time.Now()
		err := next(ctx, spec, stream)
		info, _ := connect.CallInfoForServerContext(ctx)
		m.served.observe(call{info.Protocol, calls.Procedure(spec), calls.CodeOf(err)}, time.Since(start))
		return err
	}
}

// ServeBatches is a server interceptor that measures the sizes of batches, for the service.
func (m *Metrics) ServeBatches(next connect.ServerFunc) connect.ServerFunc {
	return func(ctx context.Context, spec connect.Spec, stream connect.ServerStream) error {
		if spec.Procedure == keyvaluev1connect.KeyValueServiceBatchProcedure {
			stream = batchStream{stream, m.batches}
		}
		return next(ctx, spec, stream)
	}
}

type batchStream struct {
	connect.ServerStream
	operations prometheus.Observer
}

func (s batchStream) Receive(message any) error {
	err := s.ServerStream.Receive(message)
	if batch, ok := message.(*keyvaluev1.BatchRequest); ok && err == nil {
		s.operations.Observe(float64(len(batch.GetOperations())))
	}
	return err
}
