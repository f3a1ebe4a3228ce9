package hop

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"connectrpc.com/connect/v2"

	"key-value/internal/contract"
)

// translate returns a layer that turns every error of the hop into one that a gateway's caller may see. Connect does not
// forward the error of a peer by itself: the gateway has to make it its own. Causes go to log.
func translate(log *slog.Logger) Layer {
	return func(next connect.Transport) connect.Transport {
		return clientFunc(func(ctx context.Context, spec connect.Spec) (connect.ClientStream, error) {
			t := translator{log: log}
			if spec.IdempotencyLevel != connect.IdempotencyNoSideEffects {
				t.doubt = "; a write may or may not have been applied"
			}
			stream, err := next.NewClientStream(ctx, spec)
			if err != nil {
				return nil, t.translate(ctx, err)
			}
			return translated{ClientStream: stream, ctx: ctx, translator: t}, nil
		})
	}
}

// translated is a call whose errors are translated.
type translated struct {
	connect.ClientStream
	ctx        context.Context // the call's own
	translator translator
}

func (s translated) Send(message any) error {
	return s.translator.translate(s.ctx, s.ClientStream.Send(message))
}

func (s translated) Receive(message any) error {
	return s.translator.translate(s.ctx, s.ClientStream.Receive(message))
}

// Close drops the error, which adds nothing to that of Receive.
func (s translated) Close() error {
	_ = s.ClientStream.Close()
	return nil
}

// translator translates the errors of one call.
type translator struct {
	log   *slog.Logger
	doubt string // added to the message of a call without an answer; empty for a read
}

// translate returns what the gateway's caller is told of err.
func (t translator) translate(ctx context.Context, err error) error {
	e, coded := errors.AsType[*connect.Error](err)
	switch {
	case err == nil, !coded && errors.Is(err, io.EOF):
		return err
	case ctx.Err() != nil:
		return t.expired(ctx.Err())
	case coded && e.IsRemote():
		return t.remote(ctx, e)
	case coded && e.Code() == connect.CodeDeadlineExceeded:
		return t.expired(context.DeadlineExceeded)
	case coded && contract.ReasonOf(e) != "":
		return e
	}
	// The hop itself failed. Its code, such as that the bytes of a broken answer are no message, is not the caller's fault.
	t.log.WarnContext(ctx, "no answer from the service", "error", err)
	return t.unavailable(err)
}

// expired returns the error of a call whose context ended with err.
func (t translator) expired(err error) error {
	if errors.Is(err, context.Canceled) {
		return connect.NewError(connect.CodeCanceled, "canceled by the caller")
	}
	return contract.DeadlineExceeded.Errorf("the service did not answer in time%s", t.doubt)
}

// unavailable returns the error of a call that got no answer because of cause.
func (t translator) unavailable(cause error) error {
	return contract.ServiceUnavailable.Errorf("the service did not answer%s", t.doubt).WithCause(cause)
}

// remote returns the gateway's own form of an error that the service sent.
func (t translator) remote(ctx context.Context, e *connect.Error) error {
	why, metadata, ok := contract.ErrorInfo(e)
	switch {
	case e.Code() == connect.CodeUnauthenticated:
		t.log.ErrorContext(ctx, "the service rejected the gateway's credential: check KV_SERVICE_TOKEN on both sides", "error", e)
		return contract.ServiceUnavailable.Errorf("the service rejected the gateway's credential")
	case ok && why != contract.Internal:
		return why.NewError(e.Code(), metadata, e.Message())
	case e.Code() == connect.CodeUnavailable:
		return t.unavailable(e)
	case e.Code() == connect.CodeDeadlineExceeded:
		return t.expired(context.DeadlineExceeded)
	case e.Code() == connect.CodeInternal, e.Code() == connect.CodeUnknown:
		t.log.WarnContext(ctx, "internal error in the service; see its log for the cause", "error", e)
		return contract.Internal.Errorf("internal error").WithCause(e)
	}
	return connect.NewError(e.Code(), e.Message())
}
