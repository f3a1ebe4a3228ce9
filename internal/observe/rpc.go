package observe

import (
	"context"
	"errors"
	"strings"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"
	"github.com/prometheus/client_golang/prometheus"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/contract"
)

// other replaces names that a caller made up.
const other = "_OTHER"

var callLabels = []string{"rpc_system_name", "rpc_method", "rpc_response_status_code"}

// call has the labels of an RPC, which identify a time series.
type call struct {
	protocol  string
	procedure string
	code      connect.Code // 0: success
}

func (c call) labels() []string {
	return []string{system(c.protocol), strings.TrimPrefix(c.procedure, "/"), statusCode(c.code)}
}

// system returns the rpc.system.name of a protocol.
func system(protocol string) string {
	switch protocol {
	case connect.ProtocolNameGRPC:
		return "grpc"
	case connect.ProtocolNameGRPCWeb:
		return "grpc_web"
	}
	return "connectrpc"
}

// statusCode returns the name of code in gRPC.
func statusCode(code connect.Code) string {
	if code == 0 {
		return "OK"
	}
	return strings.ToUpper(code.String())
}

// codeOf returns the code with which a call ended, or 0 for success. A mistake of the caller never has the code of a failure
// of the server, which alerts watch, although the caller gets that: gRPC demands internal for a message with a wrong flag,
// and a request that does not arrive ends with deadline_exceeded.
func codeOf(err error) connect.Code {
	if err == nil || connecthttp.IsNotModifiedError(err) {
		return 0
	}
	code := connect.CodeOf(err)
	if errors.Is(err, contract.ErrCaller) {
		switch code {
		case connect.CodeInternal, connect.CodeUnknown:
			return connect.CodeInvalidArgument
		case connect.CodeDeadlineExceeded, connect.CodeUnavailable:
			return connect.CodeCanceled
		}
	}
	return code
}

// procedure returns the procedure of spec, or other if it is unknown.
func procedure(spec connect.Spec) string {
	if spec.Schema == nil {
		return other
	}
	return spec.Procedure
}

// ServeCalls is a server interceptor that measures every call. It must be outside the interceptors that change the
// call's error.
func (m *Metrics) ServeCalls(next connect.ServerFunc) connect.ServerFunc {
	return func(ctx context.Context, spec connect.Spec, stream connect.ServerStream) error {
		start := time.Now()
		err := next(ctx, spec, stream)
		info, _ := connect.CallInfoForServerContext(ctx)
		m.served.observe(call{info.Protocol, procedure(spec), codeOf(err)}, time.Since(start))
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
