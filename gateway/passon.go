package gateway

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"connectrpc.com/connect/v2"

	"key-value/internal/reason"
)

// passOn is a client interceptor that makes every error of the hop to the service one that the gateway's own
// caller may see. Connect does not pass a peer's verdict on by itself: the gateway has to make it its own.
func passOn(log *slog.Logger) connect.ClientInterceptor {
	return func(next connect.ClientFunc) connect.ClientFunc {
		return func(ctx context.Context, spec connect.Spec) (connect.ClientStream, error) {
			stream, err := next(ctx, spec)
			if err != nil {
				return nil, translate(ctx, log, err)
			}
			return translating{ClientStream: stream, ctx: ctx, log: log}, nil
		}
	}
}

type translating struct {
	connect.ClientStream
	ctx context.Context //nolint:containedctx // the call's own
	log *slog.Logger
}

func (t translating) Send(message any) error {
	return translate(t.ctx, t.log, t.ClientStream.Send(message))
}

func (t translating) Receive(message any) error {
	return translate(t.ctx, t.log, t.ClientStream.Receive(message))
}

// Close has nothing to say that Receive did not.
func (t translating) Close() error {
	_ = t.ClientStream.Close()
	return nil
}

// translate returns what the gateway's caller is told of err.
func translate(ctx context.Context, log *slog.Logger, err error) error {
	e, coded := errors.AsType[*connect.Error](err)
	switch {
	case err == nil, !coded && errors.Is(err, io.EOF):
		return err
	case ctx.Err() != nil:
		return gaveUp(ctx.Err())
	case coded && e.IsRemote():
		return verdict(ctx, log, e)
	case coded && e.Code() == connect.CodeDeadlineExceeded:
		return gaveUp(context.DeadlineExceeded)
	case coded && reason.Of(e) != "":
		return e
	}
	// The hop itself failed. Whatever it says, such as that the bytes of a broken answer are no message, it
	// is not the caller's fault.
	log.WarnContext(ctx, "the service does not answer", "error", err)
	return reason.ServiceUnavailable.Errorf("the service does not answer; a write may have been made or not").WithCause(err)
}

func gaveUp(err error) error {
	if errors.Is(err, context.Canceled) {
		return connect.NewError(connect.CodeCanceled, "the caller went away")
	}
	return reason.DeadlineExceeded.Errorf("the service did not answer in time; a write may have been made or not")
}

// verdict makes what the service said of the call what the gateway says of it.
func verdict(ctx context.Context, log *slog.Logger, e *connect.Error) error {
	why, metadata, ok := reason.Info(e)
	switch {
	case e.Code() == connect.CodeUnauthenticated:
		log.ErrorContext(ctx, "the service refuses this gateway: check KV_SERVICE_TOKEN on both sides", "error", e)
		return reason.ServiceUnavailable.Errorf("the gateway is not let in by its service")
	case ok:
		return why.With(e.Code(), metadata, e.Message())
	case e.Code() == connect.CodeUnavailable:
		return reason.ServiceUnavailable.Errorf("the service does not answer; a write may have been made or not").WithCause(e)
	case e.Code() == connect.CodeDeadlineExceeded:
		return gaveUp(context.DeadlineExceeded)
	case e.Code() == connect.CodeInternal, e.Code() == connect.CodeUnknown:
		log.WarnContext(ctx, "the service could not carry out a call; its own log says why", "error", e)
		return connect.NewError(connect.CodeInternal, "internal error").WithCause(e)
	}
	return connect.NewError(e.Code(), e.Message())
}
