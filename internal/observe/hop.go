package observe

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"connectrpc.com/connect/v2"
	"go.opentelemetry.io/otel/trace"

	keyvaluev1 "key-value/gen/keyvalue/v1"
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
		h.metrics.sentRequests.observe(call{info.Protocol, spec.Procedure, codeOf(err)}, time.Since(start))
	}
	return openStream(ctx, h.next, spec, h.sent, end)
}

func (h hop) sent(message any) {
	if batch, ok := message.(*keyvaluev1.BatchRequest); ok {
		h.metrics.hopBatches.Observe(float64(len(batch.GetOperations())))
	}
}

// hopStream is a request to the service. It calls end once, when the request ends.
type hopStream struct {
	connect.ClientStream
	sent func(message any)
	once sync.Once
	end  func(err error)
}

// openStream opens a stream of next. It calls sent with each message that is sent, and end once: when the stream
// fails, is read to its end, or is closed.
func openStream(
	ctx context.Context, next connect.Transport, spec connect.Spec, sent func(any), end func(error),
) (connect.ClientStream, error) {
	stream, err := next.NewClientStream(ctx, spec)
	if err != nil {
		end(err)
		return nil, err
	}
	return &hopStream{ClientStream: stream, sent: sent, end: end}, nil
}

func (s *hopStream) Send(message any) error {
	s.sent(message)
	return s.finish(s.ClientStream.Send(message))
}

func (s *hopStream) Receive(message any) error { return s.finish(s.ClientStream.Receive(message)) }

func (s *hopStream) Close() error {
	s.once.Do(func() { s.end(nil) })
	return s.ClientStream.Close()
}

// finish returns err. If err is not nil, it ends the stream.
func (s *hopStream) finish(err error) error {
	if err != nil {
		s.once.Do(func() {
			if errors.Is(err, io.EOF) {
				s.end(nil)
				return
			}
			s.end(err)
		})
	}
	return err
}

// Hop returns a transport over next that traces the requests of a gateway to its service, and sends the trace context
// along. It belongs below the transport that batches calls.
func (t *Tracing) Hop(next connect.Transport) connect.Transport { return tracedHop{t, next} }

type tracedHop struct {
	tracing *Tracing
	next    connect.Transport
}

func (h tracedHop) NewClientStream(ctx context.Context, spec connect.Spec) (connect.ClientStream, error) {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return h.next.NewClientStream(ctx, spec) // for example the health check behind /readyz
	}
	info, ok := connect.CallInfoForClientContext(ctx)
	if !ok {
		ctx, info = connect.NewClientContext(ctx)
	}
	ctx, span := h.tracing.start(ctx, spec, connect.ProtocolNameConnect, trace.SpanKindClient)
	h.tracing.propagator.Inject(ctx, header{info.RequestHeader()})
	end := func(err error) { endCall(span, codeOf(err), err != nil) }
	return openStream(ctx, h.next, spec, func(any) {}, end)
}
