package gateway

import (
	"context"
	"errors"
	"io"
	"time"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/auth"
	"key-value/internal/callctx"
	"key-value/internal/contract"
)

// forwarder implements the contract by calling the service, except for what only a gateway knows.
type forwarder struct {
	client   keyvaluev1connect.KeyValueServiceClient
	timeout  time.Duration   // of a unary call
	stopping context.Context // done when the gateway stops
}

func (f forwarder) Get(ctx context.Context, req *keyvaluev1.GetRequest) (*keyvaluev1.GetResponse, error) {
	return forward(ctx, f.timeout, req, f.client.Get)
}

func (f forwarder) Set(ctx context.Context, req *keyvaluev1.SetRequest) (*keyvaluev1.SetResponse, error) {
	return forward(ctx, f.timeout, req, f.client.Set)
}

func (f forwarder) Delete(ctx context.Context, req *keyvaluev1.DeleteRequest) (*keyvaluev1.DeleteResponse, error) {
	return forward(ctx, f.timeout, req, f.client.Delete)
}

func (f forwarder) Touch(ctx context.Context, req *keyvaluev1.TouchRequest) (*keyvaluev1.TouchResponse, error) {
	return forward(ctx, f.timeout, req, f.client.Touch)
}

func (f forwarder) Increment(
	ctx context.Context, req *keyvaluev1.IncrementRequest,
) (*keyvaluev1.IncrementResponse, error) {
	return forward(ctx, f.timeout, req, f.client.Increment)
}

func (f forwarder) List(ctx context.Context, req *keyvaluev1.ListRequest) (*keyvaluev1.ListResponse, error) {
	return forward(ctx, f.timeout, req, f.client.List)
}

func (f forwarder) DeleteRange(
	ctx context.Context, req *keyvaluev1.DeleteRangeRequest,
) (*keyvaluev1.DeleteRangeResponse, error) {
	return forward(ctx, f.timeout, req, f.client.DeleteRange)
}

func (f forwarder) Batch(ctx context.Context, req *keyvaluev1.BatchRequest) (*keyvaluev1.BatchResponse, error) {
	return forward(ctx, f.timeout, req, f.client.Batch)
}

func (f forwarder) GetStats(
	ctx context.Context, req *keyvaluev1.GetStatsRequest,
) (*keyvaluev1.GetStatsResponse, error) {
	return forward(ctx, f.timeout, req, f.client.GetStats)
}

func (f forwarder) GetKeyStats(
	ctx context.Context, req *keyvaluev1.GetKeyStatsRequest,
) (*keyvaluev1.GetKeyStatsResponse, error) {
	return forward(ctx, f.timeout, req, f.client.GetKeyStats)
}

// GetCaller answers by itself: the service does not know the callers of a gateway.
func (f forwarder) GetCaller(ctx context.Context, _ *keyvaluev1.GetCallerRequest) (*keyvaluev1.GetCallerResponse, error) {
	return auth.Describe(ctx)
}

// CreateTicket answers by itself, for the same reason.
func (f forwarder) CreateTicket(ctx context.Context, req *keyvaluev1.CreateTicketRequest) (*keyvaluev1.CreateTicketResponse, error) {
	return auth.CreateTicket(ctx, req)
}

// forward makes one unary call, which ends after timeout or when the caller disconnects.
func forward[Request, Response any](
	ctx context.Context, timeout time.Duration, req *Request, call func(context.Context, *Request) (*Response, error),
) (*Response, error) {
	bounded := callctx.WithTimeout(ctx, timeout)
	defer bounded.Cancel()
	return call(bounded, req)
}

// Watch forwards messages until the service, the caller or the gateway ends the stream.
func (f forwarder) Watch(
	ctx context.Context, req *keyvaluev1.WatchRequest, out keyvaluev1connect.KeyValueServiceWatchServerStream,
) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(f.stopping, cancel)()
	in, err := f.client.Watch(ctx, req)
	if err != nil {
		return err
	}
	defer in.Close()
	for {
		message, err := in.Receive()
		switch {
		case err != nil && f.stopping.Err() != nil:
			return contract.ServiceUnavailable.Errorf("the gateway is shutting down; resume from the last resume_token")
		case errors.Is(err, io.EOF):
			return contract.ServiceUnavailable.Errorf("the service ended the watch; resume from the last resume_token")
		case err != nil:
			return err
		}
		if err := out.Send(message); err != nil {
			return err
		}
	}
}
