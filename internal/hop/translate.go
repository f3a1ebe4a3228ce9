package hop

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"connectrpc.com/connect/v2"

	"key-value/internal/contract"
)

// PassOn is a client interceptor that makes every error of the hop to the service one that the gateway's own
// caller may see. Connect does not pass a peer's verdict on by itself: the gateway has to make it its own.
func PassOn(log *slog.Logger) connect.ClientInterceptor {
	return func(next connect.ClientFunc) connect.ClientFunc {
		return func(ctx context.Context, spec connect.Spec) (connect.ClientStream, error) {
			hop := hopErrors{log: log}
			if spec.IdempotencyLevel != connect.IdempotencyNoSideEffects {
				hop.doubt = "; a write may have been made or not"
			}
			stream, err := next(ctx, spec)
			if err != nil {
				return nil, hop.translate(ctx, err)
			}
			return translating{ClientStream: stream, ctx: ctx, hop: hop}, nil
		}
	}
}

type translating struct {
	connect.ClientStream
	ctx context.Context //nolint:containedctx // the call's own
	hop hopErrors
}

func (t translating) Send(message any) error {
	return t.hop.translate(t.ctx, t.ClientStream.Send(message))
}

func (t translating) Receive(message any) error {
	return t.hop.translate(t.ctx, t.ClientStream.Receive(message))
}

// Close has nothing to say that Receive did not.
func (t translating) Close() error {
	_ = t.ClientStream.Close()
	return nil
}

// hopErrors makes the errors of one call of the service what the gateway says of it.
type hopErrors struct {
	log   *slog.Logger
	doubt string // what is to be said of a call without an answer beyond that; empty for a read
}

// translate returns what the gateway's caller is told of err.
func (h hopErrors) translate(ctx context.Context, err error) error {
	e, coded := errors.AsType[*connect.Error](err)
	switch {
	case err == nil, !coded && errors.Is(err, io.EOF):
		return err
	case ctx.Err() != nil:
		return h.gaveUp(ctx.Err())
	case coded && e.IsRemote():
		return h.verdict(ctx, e)
	case coded && e.Code() == connect.CodeDeadlineExceeded:
		return h.gaveUp(context.DeadlineExceeded)
	case coded && contract.ReasonOf(e) != "":
		return e
	}
	// The hop itself failed. Whatever it says, such as that the bytes of a broken answer are no message, it
	// is not the caller's fault.
	h.log.WarnContext(ctx, "the service does not answer", "error", err)
	return contract.ServiceUnavailable.Errorf("the service does not answer%s", h.doubt).WithCause(err)
}

func (h hopErrors) gaveUp(err error) error {
	if errors.Is(err, context.Canceled) {
		return connect.NewError(connect.CodeCanceled, "the caller went away")
	}
	return contract.DeadlineExceeded.Errorf("the service did not answer in time%s", h.doubt)
}

// verdict makes what the service said of the call what the gateway says of it.
func (h hopErrors) verdict(ctx context.Context, e *connect.Error) error {
	why, metadata, ok := contract.ErrorInfo(e)
	switch {
	case e.Code() == connect.CodeUnauthenticated:
		h.log.ErrorContext(ctx, "the service refuses this gateway: check KV_SERVICE_TOKEN on both sides", "error", e)
		return contract.ServiceUnavailable.Errorf("the gateway is not let in by its service")
	case ok:
		return why.NewError(e.Code(), metadata, e.Message())
	case e.Code() == connect.CodeUnavailable:
		return contract.ServiceUnavailable.Errorf("the service does not answer%s", h.doubt).WithCause(e)
	case e.Code() == connect.CodeDeadlineExceeded:
		return h.gaveUp(context.DeadlineExceeded)
	case e.Code() == connect.CodeInternal, e.Code() == connect.CodeUnknown:
		h.log.WarnContext(ctx, "the service could not carry out a call; its own log says why", "error", e)
		return connect.NewError(connect.CodeInternal, "internal error").WithCause(e)
	}
	return connect.NewError(e.Code(), e.Message())
}
